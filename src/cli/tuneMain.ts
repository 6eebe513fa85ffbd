#!/usr/bin/env node
// The tinygpt-tune command: the same as `tinygpt tune`.

import { runMain } from './process.js';

await runMain(['tune', ...process.argv.slice(2)]);
