// koffi, which calls into native libraries, configured before any of them is loaded: it refuses to be afterwards. Everything
// here that needs koffi imports it from this file.

import koffi from 'koffi';

/** Stack of an asynchronous call. koffi's default is 128 KiB; NVRTC alone takes 92. */
const ASYNC_STACK_BYTES = 8 * 2 ** 20;

try {
  koffi.config({ async_stack_size: ASYNC_STACK_BYTES });
} catch {
  // The program that we are part of has loaded a library already; `deepStacks` tells.
}

/** Whether asynchronous calls have a stack that compilers fit on. */
export const deepStacks = (): boolean => Number(koffi.config().async_stack_size) >= ASYNC_STACK_BYTES;

export default koffi;
