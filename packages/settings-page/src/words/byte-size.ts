/** Units of sizes, largest first. */
export const BYTE_UNITS = ['TiB', 'GiB', 'MiB', 'KiB', 'bytes'] as const;
export type ByteUnit = (typeof BYTE_UNITS)[number];

/** A size as it stands in a form. */
export interface TypedSize {
  readonly amount: string;
  readonly unit: ByteUnit;
}

const UNIT_BYTES: Readonly<Record<ByteUnit, number>> = {
  TiB: 2 ** 40,
  GiB: 2 ** 30,
  MiB: 2 ** 20,
  KiB: 2 ** 10,
  bytes: 1,
};
/** Most bytes that the API takes for what is fetched behind a pull, and for a quota. */
export const MOST_PREFETCH_BYTES = 2 ** 40;
export const MOST_QUOTA_BYTES = Number.MAX_SAFE_INTEGER;

/** Bytes as a number in the largest unit that shows them exactly. */
export function sizeFrom(bytes: number): TypedSize {
  const unit = BYTE_UNITS.find((each) => bytes >= UNIT_BYTES[each] && bytes % UNIT_BYTES[each] === 0) ?? 'bytes';
  return { amount: String(bytes / UNIT_BYTES[unit]), unit };
}

/** The bytes of a typed size, or what is wrong with it in words that follow the name of the field. */
export function parseSize(
  { amount, unit }: TypedSize,
  mostBytes: number,
): { readonly bytes: number } | { readonly problem: string } {
  const text = amount.trim();
  const bytes = /^\d{1,16}$/.test(text) ? Number(text) * UNIT_BYTES[unit] : 0;
  if (bytes >= 1 && bytes <= mostBytes) return { bytes };
  const most = Math.floor(mostBytes / UNIT_BYTES[unit]).toLocaleString('en');
  return { problem: `must be a whole number of ${unit} from 1 to ${most}` };
}

/** A size in words, to three digits: "1.27 GiB". */
export function sizeWords(bytes: number): string {
  const unit = BYTE_UNITS.find((each) => bytes >= UNIT_BYTES[each]) ?? 'bytes';
  const amount = bytes / UNIT_BYTES[unit];
  const digits = unit === 'bytes' || amount >= 100 ? 0 : amount >= 10 ? 1 : 2;
  return `${Number(amount.toFixed(digits)).toLocaleString('en')} ${unit === 'bytes' && bytes === 1 ? 'byte' : unit}`;
}
