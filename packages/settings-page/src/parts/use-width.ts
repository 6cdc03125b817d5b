import { type RefObject, useEffect, useRef, useState } from 'react';

/**
 * The width of an element in CSS pixels, as it changes; `initial` before it is known. What is drawn in it must not make it wider:
 * it needs `contain: inline-size`, or it never gets narrower again.
 */
export function useWidth<Shown extends Element>(initial: number): [RefObject<Shown | null>, number] {
  const ref = useRef<Shown>(null);
  const [width, setWidth] = useState(initial);
  useEffect(() => {
    const shown = ref.current;
    if (shown === null) return undefined;
    const observer = new ResizeObserver(([entry]) => {
      const measured = Math.round(entry?.contentRect.width ?? 0);
      if (measured > 0) setWidth(measured);
    });
    observer.observe(shown);
    return () => observer.disconnect();
  }, []);
  return [ref, width];
}
