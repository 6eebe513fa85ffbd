// koffi, which calls into native libraries, configured before any of them is loaded, as it cannot be configured later. Everything
// here that needs koffi imports it from this file.

import { createRequire } from 'node:module';
import koffi from 'koffi';

/** Stack of an asynchronous call. koffi's default is 128 KiB; NVRTC alone takes 92. */
const ASYNC_STACK_BYTES = 8 * 2 ** 20;

try {
  koffi.config({ async_stack_size: ASYNC_STACK_BYTES });
} catch {
  // The program that we are part of has loaded a library already; `deepStacks` tells.
}

/** dlfcn.h: RTLD_NOLOAD | RTLD_NODELETE, with RTLD_LAZY. */
const KEEP_LOADED: Partial<Record<NodeJS.Platform, number>> = { linux: 0x1005, darwin: 0x91 };

/**
 * Keeps an addon in memory. When a worker thread ends, Node unloads the addons that only that thread had loaded, while
 * the threads of our libraries live on: what still refers to the addon then ends the process with SIGSEGV.
 */
export function keepLoaded(addon: string | undefined): void {
  const flags = KEEP_LOADED[process.platform];
  if (!flags || !addon) return;
  try {
    koffi.load(null).func('void *dlopen(const char *file, int flags)')(addon, flags);
  } catch {
    // A system without dlopen does not unload either.
  }
}
keepLoaded(Object.keys(createRequire(import.meta.url).cache).find((file) => /koffi\.node$/.test(file)));

/**
 * Loads a native library and keeps it in memory. koffi unloads what is garbage: a library whose code still runs, in threads
 * of its own or in work that the GPU has yet to do, would end the process with SIGSEGV.
 * @param path file, or name that the loader looks for
 * @throws when it cannot be loaded
 */
export function loadForGood(path: string, options: Parameters<typeof koffi.load>[1] = {}) {
  const library = koffi.load(path, options);
  keepLoaded(path);
  return library;
}

/** Whether asynchronous calls have a stack that compilers fit on. */
export const deepStacks = (): boolean => Number(koffi.config().async_stack_size) >= ASYNC_STACK_BYTES;

export default koffi;
