// A server of studies as the network thread sees it.

/** The server cannot be reached, or did not answer: what was asked may or may not have happened. */
export class ConnectionLost extends Error {
  override readonly name: string = 'ConnectionLost';
}

/** One client of one server. */
export type Endpoint = {
  /** Connects, also again after a loss. @throws ConnectionLost to be tried again; any other error for good */
  connect(): Promise<void>;
  /** @throws ConnectionLost where it is not known whether the call was carried out */
  call(method: string, args: readonly unknown[]): Promise<unknown>;
  close(): void;
};

/** Name of the study that is the lock behind gRPC. */
export const LOCK = 'tinygpt-lock';

/** Longest that a server may take to answer. */
export const answerMs = 10_000;

/** As above for a whole study at once, which Optuna's proxy assembles slowly: 10,000 trials with reports take it longer. */
export const wholeStudyMs = 300_000;

/** Rejects with ConnectionLost where there is no answer in time. */
export async function inTime<T>(answer: Promise<T>, what: string, ms = answerMs): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new ConnectionLost(`no answer to ${what} within ${ms / 1000} s`)), ms);
  });
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}
