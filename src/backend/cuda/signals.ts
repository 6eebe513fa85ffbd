// NVRTC removes the handlers of SIGINT and SIGTERM while it compiles and restores them without their flags. Node's own handler,
// which resets itself and raises the signal again, then does so forever, and neither Ctrl-C nor kill ends the process. Two
// compilations at the same time may leave NVRTC's handler in place. Seen with NVRTC 12.9 under Node 20.

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Installs the listeners of these signals again, or, where there are none, the system's default. */
export function restoreSignals(): void {
  for (const signal of SIGNALS) {
    const listeners = process.rawListeners(signal) as NodeJS.SignalsListener[];
    for (const listener of listeners) process.off(signal, listener);
    const none = () => {};
    process.on(signal, none);
    process.off(signal, none);
    for (const listener of listeners) process.on(signal, listener);
  }
}
