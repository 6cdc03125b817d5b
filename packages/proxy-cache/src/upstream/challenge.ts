/** One challenge of a `WWW-Authenticate` header (RFC 9110, 11.6.1). Scheme and parameter names are in lower case. */
export interface Challenge {
  readonly scheme: string;
  readonly parameters: ReadonlyMap<string, string>;
}

const TOKEN = /[!#$%&'*+.^_`|~0-9A-Za-z-]+/y;
const SPACE = /[ \t]*/y;
const TOKEN_68 = /[A-Za-z0-9._~+/-]+=*(?=[ \t]*(?:,|$))/y;
const MOST_PARAMETERS = 32;

/**
 * Reads all challenges of one header value. Several challenges may share it, parameters may be quoted or not. What
 * cannot be understood ends the reading; what was understood before it counts. Never throws.
 */
export function parseChallenges(header: string): readonly Challenge[] {
  const challenges: { scheme: string; parameters: Map<string, string> }[] = [];
  const reader = new Reader(header);
  while (!reader.atEnd()) {
    if (reader.skip(',')) continue;
    const word = reader.match(TOKEN);
    if (word === undefined) break;
    const current = challenges.at(-1);
    if (current !== undefined && reader.skip('=')) {
      const value = reader.value();
      if (value === undefined || current.parameters.size >= MOST_PARAMETERS) break;
      const name = word.toLowerCase();
      if (!current.parameters.has(name)) current.parameters.set(name, value);
    } else {
      challenges.push({ scheme: word.toLowerCase(), parameters: new Map() });
      // A token68 in place of parameters (Negotiate and its like) is of no use to us, and is skipped.
      if (!reader.looksLikeParameter()) reader.match(TOKEN_68);
    }
  }
  return challenges;
}

class Reader {
  #at = 0;

  constructor(private readonly text: string) {}

  atEnd(): boolean {
    this.match(SPACE);
    return this.#at >= this.text.length;
  }

  match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.text);
    if (found === null) return undefined;
    this.#at = pattern.lastIndex;
    return found[0];
  }

  skip(character: string): boolean {
    this.match(SPACE);
    if (this.text[this.#at] !== character) return false;
    this.#at += 1;
    this.match(SPACE);
    return true;
  }

  looksLikeParameter(): boolean {
    this.match(SPACE);
    const rest = /[!#$%&'*+.^_`|~0-9A-Za-z-]+[ \t]*=[ \t]*["!#$%&'*+.^_`|~0-9A-Za-z-]/y;
    rest.lastIndex = this.#at;
    return rest.test(this.text);
  }

  value(): string | undefined {
    if (this.text[this.#at] !== '"') return this.match(TOKEN);
    let value = '';
    for (let at = this.#at + 1; at < this.text.length; at += 1) {
      const character = this.text[at];
      if (character === '"') {
        this.#at = at + 1;
        return value;
      }
      if (character === '\\') at += 1;
      value += this.text[at] ?? '';
    }
    return undefined;
  }
}
