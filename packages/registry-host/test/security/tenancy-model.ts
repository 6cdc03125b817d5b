import { type Agent, request } from 'node:http';
import type { BuiltImage, TestRegistry } from '@breakwater/test-kit';

// What the model of rights knows, and how it is asked and compared.

export type Right = 'pull' | 'push' | 'delete';

export interface Somebody {
  readonly who: string;
  readonly authorization: string | undefined;
  /** Whether the credentials are good for anything: then a refusal is 403, and 401 otherwise. */
  readonly known: boolean;
  readonly may: (right: Right, place: Pick<Place, 'organization' | 'name'>) => boolean;
}

export interface Place {
  readonly organization: string;
  readonly name: string;
  readonly proxied: boolean;
  readonly images: readonly BuiltImage[];
  /** One for each image, in the same order; none where nobody signed. */
  readonly signatures: readonly BuiltImage[];
}

/** Which blobs the questions themselves may have mounted where, so that a later mount may find them there. */
export class MountedBlobs {
  readonly #blobs = new Set<string>();

  add(organization: string, digest: string): void {
    this.#blobs.add(`${organization} ${digest}`);
  }

  has(organization: string, digest: string): boolean {
    return this.#blobs.has(`${organization} ${digest}`);
  }
}

/** What is asked, and what about. */
export interface Asking {
  readonly registry: TestRegistry;
  readonly agent: Agent;
  readonly people: readonly Somebody[];
  readonly places: readonly Place[];
  readonly mounted: MountedBlobs;
}

/** A request, and the statuses that the model has for it. */
export interface Question {
  readonly person: Pick<Somebody, 'who' | 'authorization'>;
  readonly method: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer;
  readonly expected: readonly number[];
  /** The digests that a list of referrers has to have, and no others. */
  readonly listed?: readonly string[];
}

export interface TenancyAnswer {
  readonly status: number;
  readonly text: string;
}

/** What somebody who may not is told. */
export function refusalOf({ known }: Somebody): readonly number[] {
  return known ? [403] : [401];
}

/** A sentence when an answer is not what the model has. */
export function disagreementOf(question: Question, { status, text }: TenancyAnswer): readonly string[] {
  const { person, method, path, headers, expected, listed } = question;
  const asked = `${person.who}: ${method} ${path}${headers?.['range'] === undefined ? '' : ' with a Range'}`;
  if (!expected.includes(status)) return [`${asked} is ${status}, not ${expected.join(' or ')}`];
  if (listed === undefined || status !== 200 || method === 'HEAD') return [];
  const { manifests } = JSON.parse(text) as { readonly manifests: readonly { readonly digest: string }[] };
  const digests = manifests.map(({ digest }) => digest).join(' ');
  return digests === listed.join(' ') ? [] : [`${asked} lists ${digests}, not ${listed.join(' ')}`];
}

export function answerTo(
  { registry, agent }: Pick<Asking, 'registry' | 'agent'>,
  question: Question,
): Promise<TenancyAnswer> {
  const { hostname, port } = new URL(registry.url);
  const { person, method, path, body } = question;
  return new Promise((resolve, reject) => {
    const headers = {
      ...question.headers,
      ...(person.authorization === undefined ? {} : { authorization: person.authorization }),
      ...(body === undefined ? {} : { 'content-length': String(body.byteLength) }),
    };
    const sending = request({ hostname, port, method, path, headers, agent }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.once('end', () => resolve({ status: answer.statusCode ?? 0, text: Buffer.concat(chunks).toString() }));
      answer.once('error', reject);
    });
    sending.once('error', reject);
    sending.end(body);
  });
}
