// A pause for the event loop, where a computation would keep it from signals, timers and messages.

/** Lets signals, timers and progress run between synchronous passes; resolved promises alone do not. */
export const letEventsIn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
