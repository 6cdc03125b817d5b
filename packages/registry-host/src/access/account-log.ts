/** What is written down of accounts; names of kinds as Quay's. */
export type AccountKind =
  | 'user_create'
  | 'user_change'
  | 'user_change_password'
  | 'user_delete'
  | 'create_app_specific_token'
  | 'revoke_app_specific_token'
  | 'login_success'
  | 'login_failure';

/** Something that was done with an account. */
export interface AccountEntry {
  readonly kind: AccountKind;
  /** Who did it; `undefined` for a sign-in with a name that nobody has: it may be a password that was typed too early. */
  readonly performedBy: string | undefined;
  /** Where they came from. */
  readonly address: string | undefined;
  /** Never a secret. */
  readonly details: Readonly<Record<string, unknown>>;
}

/** Where it is written down. Throws RegistryError UNAVAILABLE without the database. */
export interface AccountLog {
  record(entry: AccountEntry): Promise<void>;
}
