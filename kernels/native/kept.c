// Packed copies of parameters. See kept.h.
#include "kept.h"
#include <stdlib.h>

typedef struct {
  float *packed;
  long K, N, floats, change;
  // Uses since the last change; whether there was a second one before it.
  int uses, again, filled;
} Copy;

typedef struct {
  const float *w;
  Copy copies[2];
} Parameter;

// Each thread of JavaScript has its own: its arrays are not the others'.
static __thread Parameter *parameters;
static __thread long known, room;
static __thread long change = 1;

void kept_changed(void) { change++; }

// Names a parameter: it stays where it is, and only tg_adamw and tg_muon write to it, until tg_forget_parameters.
void tg_parameter(const float *w) {
  for (long i = 0; i < known; i++)
    if (parameters[i].w == w) return;
  if (known == room) {
    Parameter *more = realloc(parameters, sizeof(Parameter) * (size_t)(2 * room + 64));
    if (!more) return;
    parameters = more;
    room = 2 * room + 64;
  }
  parameters[known++] = (Parameter){.w = w};
}

void tg_forget_parameters(void) {
  for (long i = 0; i < known; i++)
    for (int tb = 0; tb < 2; tb++) free(parameters[i].copies[tb].packed);
  known = 0;
}

static Copy *copy_of(const float *w, int tb) {
  for (long i = 0; i < known; i++)
    if (parameters[i].w == w) return &parameters[i].copies[tb];
  return NULL;
}

float *kept_packed(const float *w, int tb, long K, long N, long floats, int *ready) {
  *ready = 0;
  Copy *copy = copy_of(w, tb);
  if (!copy) return NULL;
  if (copy->change != change) {
    copy->again = copy->uses > 1;
    copy->uses = copy->filled = 0;
    copy->change = change;
  }
  copy->uses++;
  if (copy->uses < 2 && !copy->again) {
    free(copy->packed);
    copy->packed = NULL;
    return NULL;
  }
  if (!copy->packed || copy->floats != floats) {
    free(copy->packed);
    copy->packed = aligned_alloc(64, ((size_t)floats * sizeof(float) + 63) / 64 * 64);
    copy->floats = floats;
    copy->filled = 0;
  }
  // The same array may be seen in another shape.
  if (copy->K != K || copy->N != N) copy->filled = 0;
  copy->K = K;
  copy->N = N;
  *ready = copy->packed && copy->filled;
  copy->filled = copy->packed != NULL;
  return copy->packed;
}
