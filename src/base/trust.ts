// Whether another user of this machine could have written a file. Checked before code is loaded from a cache:
// otherwise anyone who can write there could run code as this user.

import { realpathSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';

const OTHERS_WRITE = 0o002;
const GROUP_WRITES = 0o020;
/** In a folder with this bit others add entries, but replace none. */
const STICKY = 0o1000;

/**
 * Why another user could have put something at `path`: the file, its folder and all folders above must belong to this
 * user or to root, the file and its folder be writable by nobody else, and folders above by nobody who could replace what
 * is in them. Undefined when none could, and on Windows, where a profile is its user's alone.
 * @param path a file or folder that exists
 * @throws system errors, e.g. ENOENT
 */
export function whyUntrusted(path: string): string | undefined {
  const user = process.getuid?.();
  if (user === undefined) return undefined;
  // Inside some containers root's files seem to be another user's, as the root folder then is.
  const owners = new Set([user, 0, statSync('/').uid]);
  const places = new Map<string, number>();
  for (const start of [resolve(path), realpathSync(path)])
    for (let at = start, depth = 0; ; at = dirname(at), depth++) {
      places.set(at, Math.min(depth, places.get(at) ?? depth));
      if (at === dirname(at)) break;
    }
  const isFile = statSync(path).isFile();
  for (const [place, depth] of places) {
    const { uid, gid, mode } = statSync(place);
    if (!owners.has(uid)) return `${place} belongs to user ${uid}, expected ${user} or root`;
    const own = depth <= (isFile ? 1 : 0);
    // A group with the user's own number is private by convention on systems that create such groups.
    const others = gid === user ? OTHERS_WRITE : OTHERS_WRITE | GROUP_WRITES;
    const open = own ? mode & others : mode & OTHERS_WRITE && !(mode & STICKY);
    if (open) return `${place} can be written by others (mode ${(mode & 0o7777).toString(8)})`;
  }
  return undefined;
}
