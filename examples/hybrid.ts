// A language model proposes a part of the trials, CMA-ES the others. Without a command the answers come from a scripted
// stand-in, which is no model.
//
//   node build/examples/hybrid.js 20 "claude -p"

import {
  cmaesSampler,
  commandProvider,
  createStudy,
  float,
  llmSampler,
  openCaller,
  openCallLog,
  standInProvider,
} from 'tinygpt/tune';

const [trials = '20', command] = process.argv.slice(2);
const caller = openCaller({
  provider: command ? commandProvider(command, 120) : standInProvider(),
  log: openCallLog('llm-calls.jsonl'), // every call: prompt, answer, tokens, cost
  onNote: console.warn,
});
const study = createStudy({
  space: { lr: float(1e-4, 1, { log: true }), momentum: float(0, 0.99) },
  sampler: llmSampler({
    caller,
    base: cmaesSampler(),
    share: 0.3,
    context: {
      task: ['the loss of a small network after 100 steps of SGD'],
      metricName: 'loss',
      perTrial: '',
      meanings: { lr: 'learning rate' },
      trials: Number(trials),
    },
  }),
});
await study.optimize(({ params: { lr, momentum } }) => Math.log10(lr / 0.03) ** 2 + (momentum - 0.9) ** 2, {
  trials: Number(trials),
});
const { calls, input_tokens: tokens, cost_usd: dollars, unknown_cost: unpriced } = caller.log.usage();
console.log(`best of ${trials}: ${study.best()?.value} ${JSON.stringify(study.best()?.params)}`);
console.log(
  `${caller.about.model}: ${calls} calls, ${tokens} tokens of prompts, ${unpriced > 0 ? 'cost unknown' : `$${dollars}`}`,
);
