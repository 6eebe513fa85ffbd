// Runs peer.py in a separate process with a time limit.

import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { endOf } from './child.js';
import type { ProofOptions } from './record.js';

const SCRIPT = fileURLToPath(new URL('../../../experiments/gpu/peer.py', import.meta.url));

/**
 * Runs the peer, without torch.compile at tiny sizes; what it has reported counts even when it is ended for time.
 * @param input as peer.py takes it
 * @throws where there is no Python with PyTorch, or it reported nothing
 */
export async function runPeer(
  { python, tiny }: ProofOptions,
  input: object,
  seconds: number,
): Promise<Record<string, unknown>[]> {
  if (python === undefined) throw new Error('no Python with PyTorch was found; name it with --python');
  const child = spawn(python, [SCRIPT], { stdio: ['pipe', 'pipe', 'pipe'] });
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const)
    child[name].on('data', (chunk: Buffer) => {
      output[name] += chunk;
    });
  child.stdin.on('error', () => {}); // it ended before it had read all
  child.stdin.end(JSON.stringify({ compile: !tiny, ...input }));
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    child.kill('SIGKILL');
  }, 1000 * seconds);
  const code = await endOf(child);
  clearTimeout(timer);
  const reports = output.stdout
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  if (late) reports.push({ ended: `after ${seconds.toFixed(0)} s` });
  else if (code !== 0)
    reports.push({ ended: `with ${code}`, stderr: output.stderr.trim().split('\n').slice(-5) });
  if (reports.length === 0) throw new Error('it reported nothing');
  return reports;
}
