#!/usr/bin/env node
// The tinygpt command.

import { runCli } from './cli.js';
import { outliveReaders } from './terminal.js';

outliveReaders();
process.exitCode = await runCli(process.argv.slice(2));
