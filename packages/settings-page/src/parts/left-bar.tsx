const WIDTH = 96;
const HEIGHT = 8;

/** How much of something is left, from 0 to 1; said in words beside it. */
export function LeftBar({ part }: { readonly part: number }) {
  return (
    <svg
      width={WIDTH}
      height={HEIGHT}
      aria-hidden="true"
      style={{ verticalAlign: 'middle', marginInlineEnd: '0.5rem' }}
    >
      <rect width={WIDTH} height={HEIGHT} rx={4} fill="var(--pf-t--global--border--color--default)" />
      <rect
        width={part <= 0 ? 0 : Math.max(HEIGHT, part * WIDTH)}
        height={HEIGHT}
        rx={4}
        fill="var(--pf-t--global--color--status--info--default)"
      />
    </svg>
  );
}
