/** The name, with a wall that breaks a wave. */
export function BrandMark() {
  return (
    <span style={{ display: 'inline-flex', alignItems: 'center', gap: '0.5rem', fontSize: '1.25rem', fontWeight: 600 }}>
      <svg viewBox="0 0 32 32" width="32" height="32" aria-hidden="true">
        <rect width="32" height="32" rx="7" fill="#0b3d5c" />
        <path
          d="M4 22c3 0 3-3 6-3s3 3 6 3 3-3 6-3 3 3 6 3"
          fill="none"
          stroke="#7cc4f0"
          strokeWidth="2.5"
          strokeLinecap="round"
        />
        <path
          d="M8 15 16 7l8 8"
          fill="none"
          stroke="#fff"
          strokeWidth="3"
          strokeLinecap="round"
          strokeLinejoin="round"
        />
      </svg>
      Breakwater
    </span>
  );
}
