#!/usr/bin/env node
// The tinygpt command.

import { runMain } from './process.js';

await runMain(process.argv.slice(2));
