// The typed errors of tinygpt. Lower layers throw them; the CLI prints their message on one line.

/** Bad input from the caller: states what was expected, the value received and how to fix it. CLI exit code 2. */
export class UsageError extends Error {
  override readonly name: string = 'UsageError';
  readonly exitCode = 2;
}

/** The world failed (disk, network, corrupt file, absent library). CLI exit code 1. */
export class EnvironmentError extends Error {
  override readonly name: string = 'EnvironmentError';
  readonly exitCode = 1;
}

/**
 * The device can no longer be used by this process, only by a new one: after a kernel that failed, all that a driver returns is
 * that error. CLI exit code 75 (EX_TEMPFAIL), which asks the parent process to start it again.
 */
export class DeviceLostError extends Error {
  override readonly name: string = 'DeviceLostError';
  static readonly exitCode = 75;
  readonly exitCode = DeviceLostError.exitCode;
  /** Of a trial that it ends. */
  readonly reason = 'device_lost';
}

/** Training went wrong although its input was valid. CLI exit code 1. */
export class TrainingError extends Error {
  override readonly name: string = 'TrainingError';
  readonly exitCode = 1;
  /**
   * @param reason `diverged`: loss not finite or exploding; `out_of_memory`: device or heap exhausted.
   */
  constructor(
    readonly reason: 'diverged' | 'out_of_memory',
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** A trial's own outcome: it fails for `reason`, and the study goes on. */
export class TrialFailedError extends Error {
  override readonly name: string = 'TrialFailedError';
  readonly exitCode = 1;
  /**
   * @param reason of a command: `exit_code`, `signal`, `out_of_memory`, `timeout`, `metric_missing`, `nan`
   */
  constructor(
    readonly reason: string,
    message: string,
  ) {
    super(message);
  }
}

/**
 * Throws UsageError unless `condition`; the message is built lazily.
 * @throws UsageError
 */
export function expect(condition: boolean, message: () => string): asserts condition {
  if (!condition) throw new UsageError(message());
}

/** The message of anything that was thrown; never throws, whatever it is. */
export function messageOf(error: unknown): string {
  try {
    const message = (error as Error | null | undefined)?.message;
    return typeof message === 'string' ? message : String(error);
  } catch {
    return 'an object without a message';
  }
}

/** True for system errors (`ENOSPC`, `EACCES`, ...) with the given code. */
export function hasCode(error: unknown, ...codes: string[]): boolean {
  const code = (error as { code?: string } | null | undefined)?.code;
  return code !== undefined && codes.includes(code);
}

/** What Node throws for a failed system call. */
type SystemError = Error & { code?: string; syscall?: string; path?: string };

/** True for what the system or Node's file functions throw: ENOSPC, a file that is too large for memory, ... */
export function isSystemError(error: unknown): error is SystemError {
  const { code, syscall } = (error ?? {}) as SystemError;
  return (
    syscall !== undefined ||
    /^(E[A-Z0-9]+$|ERR_(FS_|STRING_TOO_LONG|INVALID_ARG_VALUE|OUT_OF_RANGE))/.test(String(code))
  );
}

/** A system error on one line: `Cannot open PATH: name too long (ENAMETOOLONG)`. */
export function systemErrorMessage({ code, syscall, path, message }: SystemError): string {
  if (syscall === undefined) return message;
  const reason = /^\w+: (.*?), /.exec(message)?.[1] ?? message;
  return `Cannot ${[syscall, path].filter(Boolean).join(' ')}: ${reason} (${code})`;
}
