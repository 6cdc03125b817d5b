import { Alert, AlertActionCloseButton, AlertGroup } from '@patternfly/react-core';
import { createContext, type ReactNode, useCallback, useContext, useMemo, useRef, useState } from 'react';

interface Notice {
  readonly key: number;
  readonly variant: 'success' | 'danger';
  readonly title: string;
}

interface Notices {
  succeeded(title: string): void;
  failed(title: string): void;
}

const NoticesContext = createContext<Notices | undefined>(undefined);
const SHOWN_MS = 10_000;

/** Says in a corner what has been done. What failed stays until it is closed, and stands beside what failed as well. */
export function NoticesProvider({ children }: { readonly children: ReactNode }) {
  const [notices, setNotices] = useState<readonly Notice[]>([]);
  const next = useRef(0);
  const remove = useCallback((key: number) => setNotices((shown) => shown.filter((each) => each.key !== key)), []);
  const value = useMemo<Notices>(() => {
    const add = (variant: Notice['variant'], title: string) => {
      next.current += 1;
      const key = next.current;
      setNotices((shown) => [...shown.slice(-2), { key, variant, title }]);
    };
    return { succeeded: (title) => add('success', title), failed: (title) => add('danger', title) };
  }, []);
  return (
    <NoticesContext.Provider value={value}>
      {children}
      <AlertGroup isToast isLiveRegion>
        {notices.map(({ key, variant, title }) => (
          <Alert
            component="p"
            key={key}
            variant={variant}
            title={title}
            timeout={variant === 'success' ? SHOWN_MS : false}
            onTimeout={() => remove(key)}
            actionClose={<AlertActionCloseButton title={title} onClose={() => remove(key)} />}
          />
        ))}
      </AlertGroup>
    </NoticesContext.Provider>
  );
}

/** Where to say what has been done. */
export function useNotices(): Notices {
  const notices = useContext(NoticesContext);
  if (notices === undefined) throw new Error('useNotices stands outside NoticesProvider');
  return notices;
}
