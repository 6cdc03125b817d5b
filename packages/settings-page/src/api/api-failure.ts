/** What is wrong with one field of a request; the sentence begins after the name of the field. */
export interface FieldProblem {
  readonly field?: string;
  readonly message: string;
}

/** A request to the API that was refused or not answered. Tell it by `status`; 0 is no answer at all. */
export class ApiFailure extends Error {
  constructor(
    readonly status: number,
    readonly detail: string,
    readonly problems: readonly FieldProblem[] = [],
    /** Failure class of an upstream that could not be used. */
    readonly reason?: string,
    readonly requestId?: string,
    /** Quay's `error_type`. */
    readonly type?: string,
  ) {
    super(detail);
    this.name = 'ApiFailure';
  }
}

export function isApiFailure(error: unknown): error is ApiFailure {
  return (error as Partial<ApiFailure> | null)?.name === 'ApiFailure';
}

/** A refusal in words for the person who asked, with the request id where the operator can find it in the log. */
export function failureWords(error: unknown): string {
  if (!isApiFailure(error)) return 'Something unexpected went wrong in this page. Reload it and try again.';
  const { status, detail, requestId } = error;
  if (status === 0) return 'The registry does not answer. Check the connection; nothing has been changed.';
  if (status === 401) return 'You are not signed in any more. Sign in, and try again.';
  if (status === 403) return 'You have no right to do this here.';
  const text = detail === '' ? `The registry answered with status ${status}.` : detail;
  return status >= 500 && requestId !== undefined && !text.includes(requestId)
    ? `${text} (request ${requestId})`
    : text;
}
