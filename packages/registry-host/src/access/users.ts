/** Somebody who may sign in. */
export interface RegistryUser {
  readonly name: string;
  /** As `hashPassword` made it. */
  readonly passwordHash: string;
  /** Administrators may do everything. */
  readonly isAdministrator: boolean;
}

/** Where the users are looked up. */
export interface UserDirectory {
  /** `undefined` when there is no such user. Failures throw. */
  find(name: string): Promise<RegistryUser | undefined>;
}
