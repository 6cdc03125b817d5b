import { RegistryError } from './errors.js';

/** Limits of one JSON document. */
export interface JsonLimits {
  /** Deepest nesting of objects and arrays. */
  readonly depth: number;
  /** Most strings, numbers, literals, objects and arrays together. */
  readonly tokens: number;
}

/**
 * Reads JSON of which every reader must understand the same: UTF-8 without byte order mark, no trailing bytes, no
 * duplicate keys, and no key that a reader which folds case (Go's encoding/json) would take for another one. The limits
 * are checked before anything is built from the text.
 *
 * @param protectedKeys names that no other key may be a case variant of; the keys inside `annotations` are free
 * @throws RegistryError MANIFEST_INVALID
 */
export function parseStrictJson(bytes: Uint8Array, limits: JsonLimits, protectedKeys: readonly string[]): unknown {
  const text = decodeUtf8(bytes);
  scan(text, limits, new Map(protectedKeys.map((key) => [foldCase(key), key])));
  try {
    return JSON.parse(text);
  } catch {
    throw invalid('the manifest is not valid JSON');
  }
}

function decodeUtf8(bytes: Uint8Array): string {
  if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) {
    throw invalid('the manifest begins with a byte order mark');
  }
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw invalid('the manifest is not UTF-8');
  }
}

interface Container {
  /** Keys seen so far; `undefined` in an array. */
  readonly keys: Set<string> | undefined;
  /** Whether the next string is a key. */
  expectsKey: boolean;
  lastKey: string;
  /** Inside `annotations`, where keys belong to the user. */
  readonly free: boolean;
}

const QUOTE = 0x22;
const COMMA = 0x2c;
const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

/** One pass over the structure. The grammar itself is left to JSON.parse, which rejects whatever this pass misreads. */
function scan(text: string, limits: JsonLimits, protectedKeys: ReadonlyMap<string, string>): void {
  const stack: Container[] = [];
  let tokens = 0;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    const top = stack[stack.length - 1];
    if (code === QUOTE) {
      const end = endOfString(text, at);
      if (top?.keys !== undefined && top.expectsKey) {
        addKey(top, readKey(text.slice(at, end + 1)), protectedKeys);
        top.expectsKey = false;
      }
      tokens += 1;
      at = end;
    } else if (code === OPEN_BRACE || code === OPEN_BRACKET) {
      if (stack.length >= limits.depth) throw invalid(`the manifest nests deeper than ${limits.depth} levels`);
      const free = top !== undefined && (top.free || top.lastKey === 'annotations');
      stack.push({
        keys: code === OPEN_BRACE ? new Set() : undefined,
        expectsKey: code === OPEN_BRACE,
        lastKey: '',
        free,
      });
      tokens += 1;
    } else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) {
      stack.pop();
    } else if (code === COMMA) {
      if (top !== undefined) top.expectsKey = top.keys !== undefined;
      tokens += 1;
    }
    if (tokens > limits.tokens) throw invalid(`the manifest has more than ${limits.tokens} values`);
  }
}

function endOfString(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === BACKSLASH) at += 1;
    else if (code === QUOTE) return at;
  }
  throw invalid('the manifest is not valid JSON');
}

function readKey(literal: string): string {
  if (!literal.includes('\\')) return literal.slice(1, -1);
  try {
    return String(JSON.parse(literal));
  } catch {
    throw invalid('the manifest is not valid JSON');
  }
}

function addKey(container: Container, key: string, protectedKeys: ReadonlyMap<string, string>): void {
  if (container.keys?.has(key)) throw invalid(`the manifest has the key ${quote(key)} twice`);
  const meant = container.free ? undefined : protectedKeys.get(foldCase(key));
  if (meant !== undefined && meant !== key) {
    throw invalid(`the manifest has the key ${quote(key)}, which some readers take for ${quote(meant)}`);
  }
  container.keys?.add(key);
  container.lastKey = key;
}

/** Simple case folding as Go's encoding/json does it, the long s and the Kelvin sign included. */
function foldCase(key: string): string {
  return key.toUpperCase().toLowerCase();
}

function quote(key: string): string {
  return JSON.stringify(key.slice(0, 64));
}

function invalid(message: string): RegistryError {
  return new RegistryError('MANIFEST_INVALID', message);
}
