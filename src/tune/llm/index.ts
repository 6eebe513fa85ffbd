// Language models in a search: providers, calls within a budget, the samplers llm and hybrid, advice on a space.

export { type Advice, adviceFile, askAdvice } from './advise.js';
export { type Caller, type CallerOptions, openCaller, type Prices } from './caller.js';
export { type CallLog, callLogOf, openCallLog, openRecording, type Usage } from './callLog.js';
export { commandProvider } from './command.js';
export { anthropicProvider, type EndpointOptions, openaiProvider } from './endpoints.js';
export type { PromptContext } from './prompt.js';
export { type Message, type Provider, type Reply, redactor } from './provider.js';
export { type LlmSamplerOptions, llmSampler } from './sampler.js';
export { CAUTION, STAND_IN, standInProvider } from './standIn.js';
