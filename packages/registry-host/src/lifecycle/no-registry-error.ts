/** There is no registry where the settings say, or none that this program can work on. The message says what to do. */
export class NoRegistryError extends Error {
  readonly code = 'NO_REGISTRY';

  constructor(message: string) {
    super(message);
    this.name = 'NoRegistryError';
  }
}
