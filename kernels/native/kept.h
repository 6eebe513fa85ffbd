// Packed copies of parameters, kept while the parameters stay as they are: for the batches of an evaluation and the
// micro-batches of a step. Whoever changes a parameter calls kept_changed. Not from within a task.
#pragma once

// Room of so many floats for w packed as op(B) [K,N] with tb, and whether it holds that already; NULL when w is no
// parameter, when it has not been used twice between two changes, or without memory.
float *kept_packed(const float *w, int tb, long K, long N, long floats, int *ready);
void kept_changed(void);
