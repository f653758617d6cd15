/** An error that the server answered with, or that the connection came to. */
export class RopewalkError extends Error {
  /**
   * What went wrong, for programs: a code of the server's registry, or one of the
   * client's own: "timeout" (no answer came, the command may have been carried
   * out), "disconnected" (the same), "unsubscribed", "aborted", "overflow".
   */
  readonly code: string;

  /** Whether the same may succeed later. */
  readonly retry: boolean;

  constructor(code: string, message: string, retry = false) {
    super(message);
    this.name = "RopewalkError";
    this.code = code;
    this.retry = retry;
  }
}
