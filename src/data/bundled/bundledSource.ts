// The bundled corpus: the requested number of megabytes of generated stories.
// story.ts writes them from the text in data/stories; data/README.md shows one.

import { expect } from '../../base/errors.js';
import { sha256 } from '../../base/files.js';
import type { DocumentSource, Split } from '../types.js';

/** Megabytes (10^6 bytes) of training text by default. */
export const DEFAULT_MEGABYTES = 16;

const MOST_MEGABYTES = 1e6;
const MEGABYTE = 1e6;
const VAL_FRACTION = 0.05;
const LEAST_VAL_BYTES = 256e3;
const GROUP_STORIES = 1000;
/** Stories whose text is part of the fingerprint, so that a change of the generator's code changes it too. */
const FINGERPRINT_STORIES = 32;

/** story.ts reads its text when it is loaded: only where stories are needed. */
const loadStories = () => import('./story.js');

/**
 * A corpus of generated stories. Training and validation are disjoint streams of one seed: story `i` of a split depends
 * only on the seed, the split and `i`, so a larger corpus begins with the smaller one. Documents stream in groups of
 * 1,000; nothing is kept.
 * @param options.megabytes 10^6 bytes of training text, rounded up to a whole story; validation adds 5%, at least 256 KB
 * @param options.seed another seed gives other stories
 * @throws UsageError unless `megabytes` is above 0 and at most a million
 */
export function bundledSource(options: { megabytes?: number; seed?: number | string } = {}): DocumentSource {
  const { megabytes = DEFAULT_MEGABYTES, seed = 0 } = options;
  expect(
    megabytes > 0 && megabytes <= MOST_MEGABYTES,
    () =>
      `Expected a number of megabytes above 0, got ${megabytes}; --bundled ${DEFAULT_MEGABYTES} is usual, ${MOST_MEGABYTES} the most`,
  );
  const bytes: Record<Split, number> = {
    train: megabytes * MEGABYTE,
    val: Math.max(megabytes * MEGABYTE * VAL_FRACTION, LEAST_VAL_BYTES),
  };
  return {
    name: `bundled:${megabytes}MB`,
    async fingerprint() {
      const { storyData, tellStory } = await loadStories();
      const stories = Array.from({ length: FINGERPRINT_STORIES }, (_, i) => tellStory(seed, 'train', i));
      return sha256('bundled', `${megabytes}`, `${seed}`, ...storyData(), ...stories);
    },
    async *groups(split) {
      const { tellStory } = await loadStories();
      let left = bytes[split];
      let index = 0;
      while (left > 0) {
        const group: string[] = [];
        while (left > 0 && group.length < GROUP_STORIES) {
          const story = tellStory(seed, split, index++);
          left -= story.length; // ASCII: one byte a character
          group.push(story);
        }
        yield group;
      }
    },
  };
}
