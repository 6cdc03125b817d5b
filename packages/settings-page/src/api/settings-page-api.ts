import type { WarmRequest } from '../words/warm-text.js';
import { isApiFailure } from './api-failure.js';
import { type ApiOptions, createSender } from './request.js';
import type {
  CheckResult,
  ConnectionReport,
  Events,
  Health,
  Organization,
  OrganizationList,
  Purge,
  PurgeSelection,
  Session,
  SettingsBody,
  SettingsView,
  StoredSettings,
  TagPage,
  TagQuery,
  TimelinePeriod,
  WarmBegun,
  WarmProgress,
} from './shapes.js';

/** Everything that the page asks of the API. Every function throws ApiFailure. */
export type SettingsPageApi = ReturnType<typeof createSettingsPageApi>;

/** A client for the API of one registry. It keeps whose session it writes with and its token, and nothing else. */
export function createSettingsPageApi(options: ApiOptions = {}) {
  const { send, begin, resume } = createSender(options);
  const home = (organization: string) => `/api/v1/organization/${encodeURIComponent(organization)}`;

  return {
    /** Who is signed in. @throws ApiFailure with status 401 when nobody is, or somebody else by now */
    session: resume,
    /** @throws ApiFailure with status 403 when the name or the password is wrong */
    async signIn(username: string, password: string): Promise<Session> {
      const { body } = await send('POST', '/api/v1/signin', { username, password });
      return begin(body as Session);
    },
    /** Ends the session; one that has ended already is ended. */
    async signOut(): Promise<void> {
      await send('POST', '/api/v1/signout').catch((error: unknown) => {
        if (!isApiFailure(error) || error.status !== 401) throw error;
      });
    },

    /** A page of the organizations that the reader sees, by name. */
    async organizations(page?: string): Promise<OrganizationList> {
      const { body } = await send('GET', `/api/v1/organizations${page === undefined ? '' : `?next_page=${page}`}`);
      return body as OrganizationList;
    },
    /** @throws ApiFailure with status 403 when there is none, or none for the reader */
    async organization(organization: string): Promise<Organization> {
      const { body } = await send('GET', home(organization));
      return body as Organization;
    },

    /** What is stored; `undefined` when nothing is configured. */
    async settings(organization: string): Promise<StoredSettings | undefined> {
      const { body, headers } = await send('GET', `${home(organization)}/proxycache`);
      const view = body as SettingsView;
      return view.upstream_registry === '' ? undefined : { view, etag: headers.get('etag') ?? '' };
    },
    async createSettings(organization: string, body: SettingsBody): Promise<void> {
      await send('POST', `${home(organization)}/proxycache`, body);
    },
    /** Changes what the body names. @throws ApiFailure with status 412 when it is no longer what `etag` was given for */
    async updateSettings(organization: string, body: SettingsBody, etag: string): Promise<StoredSettings> {
      const answer = await send('PUT', `${home(organization)}/proxycache`, body, { 'if-match': etag });
      return { view: answer.body as SettingsView, etag: answer.headers.get('etag') ?? '' };
    },
    async deleteSettings(organization: string, etag: string): Promise<void> {
      await send('DELETE', `${home(organization)}/proxycache`, undefined, { 'if-match': etag });
    },
    /** Asks the upstream of a new configuration whether it can be used. */
    async validateSettings(organization: string, body: SettingsBody): Promise<'Valid' | 'Anonymous'> {
      const answer = await send('POST', `${home(organization)}/validateproxycache`, body);
      return answer.body as 'Valid' | 'Anonymous';
    },

    /** Tries the upstream as the settings would be with the body, step by step, and saves nothing. */
    async testConnection(organization: string, body: SettingsBody, sample?: string): Promise<ConnectionReport> {
      const wanted = sample === undefined ? body : { ...body, sample };
      const answer = await send('POST', `${home(organization)}/proxycache/test`, wanted);
      return answer.body as ConnectionReport;
    },

    async health(organization: string): Promise<Health> {
      const { body } = await send('GET', `${home(organization)}/proxycache/health`);
      return body as Health;
    },
    /** By the hour, all of it: whoever reads it knows what a day is where they are. */
    async events(organization: string, period: TimelinePeriod): Promise<Events> {
      const path = `${home(organization)}/proxycache/events?period=${period}&by=hour`;
      const first = (await send('GET', path)).body as Events;
      const buckets = [...first.buckets];
      for (let next = first.next_page; next !== undefined; ) {
        const page = (await send('GET', `${path}&next_page=${encodeURIComponent(next)}`)).body as Events;
        buckets.push(...page.buckets);
        next = page.next_page;
      }
      return { ...first, buckets };
    },

    async tags(organization: string, query: TagQuery): Promise<TagPage> {
      const given = Object.entries(query).filter(([, value]) => value !== undefined);
      const text = new URLSearchParams(given.map(([name, value]) => [name, String(value)]));
      const { body } = await send('GET', `${home(organization)}/proxycache/tags?${text}`);
      return body as TagPage;
    },
    /** Asks the upstream now how it is. */
    async checkUpstream(organization: string): Promise<Health> {
      const answer = await send('POST', `${home(organization)}/proxycache/check`, {});
      return (answer.body as { readonly health: Health }).health;
    },
    /** Asks the upstream now about cached tags. */
    async check(organization: string, references: readonly string[]): Promise<readonly CheckResult[]> {
      const answer = await send('POST', `${home(organization)}/proxycache/check`, { references });
      return (answer.body as { readonly results: readonly CheckResult[] }).results;
    },
    /** Keeps a tag from garbage collection and purges, or leaves it to them again. */
    async pin(organization: string, reference: string, pinned: boolean): Promise<void> {
      const path = `${home(organization)}/proxycache/${pinned ? 'pin' : 'unpin'}`;
      await send('POST', path, { references: [reference] });
    },
    /** Fetches images in the background before somebody pulls them. */
    async warm(organization: string, wanted: WarmRequest): Promise<WarmBegun> {
      const { body } = await send('POST', `${home(organization)}/proxycache/warm`, wanted);
      return body as WarmBegun;
    },
    async warmProgress(organization: string, id: string): Promise<WarmProgress> {
      const { body } = await send('GET', `${home(organization)}/proxycache/warm/${encodeURIComponent(id)}`);
      return body as WarmProgress;
    },
    /** Says what a purge would take, and removes nothing. */
    async previewPurge(organization: string, selection: PurgeSelection): Promise<Purge> {
      const { body } = await send('POST', `${home(organization)}/proxycache/purge`, { ...selection, dry_run: true });
      return body as Purge;
    },
    /** Removes exactly what a preview has shown. @throws ApiFailure with status 404 when it is too old */
    async purge(organization: string, previewId: string): Promise<Purge> {
      const { body } = await send('POST', `${home(organization)}/proxycache/purge`, { purge_id: previewId });
      return body as Purge;
    },
  };
}
