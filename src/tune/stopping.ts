// A request to stop: everything that works on a study ends after its running trial. It is a system attribute of the study,
// so that it reaches every process in every storage. A run obeys requests that come after it began; to withdraw one lets runs
// go on that have not seen it yet.

import { isObject } from '../base/valid.js';
import { type Entry, studyAttrEntry } from './journal/records.js';
import type { Attributes } from './types.js';

/** System attribute of a study: the last request. */
const STOP = 'tinygpt:stop';

/** The record that asks to stop, or withdraws that. */
export const stopEntry = (studyId: number, asked: boolean): Entry =>
  studyAttrEntry('system', studyId, STOP, { asked, id: crypto.randomUUID() });

/** The id of the request that stands; null where none does. */
export function stopRequest({ systemAttrs }: { systemAttrs: Attributes }): string | null {
  const request = systemAttrs[STOP];
  return isObject(request) && request.asked === true && typeof request.id === 'string' ? request.id : null;
}
