// A process for the kill and concurrency tests: appends records as fast as it can and acknowledges on stdout what
// the log has confirmed. Arguments: journal, name of the writer, records (0: until killed).

import { writeSync } from 'node:fs';
import { studyAttrEntry } from '../../src/tune/journal/records.js';
import { fileStorage } from '../../src/tune/storage/fileStorage.js';

const [path, name, limit] = process.argv.slice(2);
const storage = fileStorage(path!);

for (let i = 0; i < (Number(limit) || Infinity); i++) {
  const key = `${name}/${i}`;
  storage.transact(() => [studyAttrEntry('user', 0, key, `${'x'.repeat(i % 50)}${i}`)]);
  writeSync(1, `${key}\n`);
}
