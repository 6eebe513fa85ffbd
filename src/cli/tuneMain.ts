#!/usr/bin/env node
// The tinygpt-tune command: the same as `tinygpt tune`.

import { runCli } from './cli.js';
import { outliveReaders } from './terminal.js';

outliveReaders();
process.exitCode = await runCli(['tune', ...process.argv.slice(2)]);
