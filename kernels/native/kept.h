// Packed copies of parameters, kept while the parameters do not change: for the batches of an evaluation and the
// micro-batches of a step. Code that changes a parameter must call kept_changed. Not to be called within a task.
#pragma once

// Space for that many floats for w packed as op(B) [K,N] with tb, and whether it holds that already; NULL when w is
// not a parameter, when it has not been used twice between two changes, or when memory runs out.
float *kept_packed(const float *w, int tb, long K, long N, long floats, int *ready);
void kept_changed(void);
