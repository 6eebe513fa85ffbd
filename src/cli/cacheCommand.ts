// tinygpt cache: lists or removes what the cache folder holds.

import { CACHE_KINDS, type CacheEntry, type CacheKind, listCache, removeCached } from '../base/cache.js';
import { expect } from '../base/errors.js';
import { defaultCacheFolder } from '../base/files.js';
import { choice, command, flag, number, text, type ValuesOf } from './options.js';
import { byteSize, counted } from './terminal.js';

const DAY_MS = 86_400_000;
const KINDS = Object.keys(CACHE_KINDS) as CacheKind[];

const ACTION = { action: choice(['list', 'clean'], 'list or clean', { default: 'list' }) };
const OPTIONS = {
  kind: choice(KINDS, `only ${KINDS.join(', ')}`),
  unusedDays: number('only entries not used for this many days', { min: 0 }),
  dryRun: flag('show what clean would remove', { default: false }),
  cacheFolder: text('the folder (default $TINYGPT_CACHE or ~/.cache/tinygpt)', { placeholder: 'folder' }),
  json: flag('print one JSON object', { default: false }),
};

export const cacheCommand = command({
  options: OPTIONS,
  positionals: ACTION,
  examples: [
    ['tinygpt cache', 'list what is cached'],
    ['tinygpt cache clean', 'remove everything that can be made again'],
    ['tinygpt cache clean --kind datasets --unused-days 30', 'remove prepared data not used for a month'],
  ],
  run: runCache,
});

/** Runs the command; resolves to the exit code. */
async function runCache(args: ValuesOf<typeof OPTIONS & typeof ACTION>): Promise<number> {
  const { action, kind, unusedDays = 0, dryRun } = args;
  expect(!dryRun || action === 'clean', () => 'Expected --dry-run with clean, got list');
  const folder = args.cacheFolder ?? defaultCacheFolder();
  const entries = listCache(folder).filter(
    (entry) =>
      (kind === undefined ? action === 'list' || entry.kind !== 'spool' : kind === entry.kind) &&
      Date.now() - entry.used >= unusedDays * DAY_MS,
  );
  if (action === 'clean' && !dryRun) for (const entry of entries) removeCached(entry);
  const bytes = entries.reduce((sum, entry) => sum + entry.bytes, 0);
  if (args.json) {
    const report = { folder, action, dry_run: dryRun, bytes, entries };
    process.stdout.write(`${JSON.stringify(report)}\n`);
    return 0;
  }
  const done = action === 'list' ? '' : dryRun ? 'Would remove ' : 'Removed ';
  const lines = KINDS.flatMap((each) => describe(each, entries));
  lines.push(`${done}${counted(entries.length, 'entry', 'entries')}, ${byteSize(bytes)} in ${folder}`);
  process.stdout.write(`${lines.join('\n')}\n`);
  return 0;
}

function describe(kind: CacheKind, all: readonly CacheEntry[]): string[] {
  const entries = all.filter((entry) => entry.kind === kind);
  if (entries.length === 0) return [];
  return [
    `${kind}: ${CACHE_KINDS[kind]}`,
    ...entries.map(
      ({ name, bytes, used }) =>
        `  ${byteSize(bytes).padStart(8)}  used ${new Date(used).toISOString().slice(0, 10)}  ${name}`,
    ),
  ];
}
