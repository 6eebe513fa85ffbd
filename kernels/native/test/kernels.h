// The kernels' functions as TypeScript calls them, and random numbers, for the programs of this folder.
#pragma once
#include <stdint.h>

int tg_set_threads(int);
int tg_set_bf16(int);
void tg_parameter(const float *);
void tg_forget_parameters(void);
int tg_batch_matmul(int, int, long, long, long, long, const float *, long, const float *, long, float *);
int tg_linear(int, long, long, long, const void *, const float *, void *);
int tg_linear_grad(int, long, long, long, const void *, const float *, const void *, void *, float *);
void tg_rms_norm(int, long, long, float, const float *, void *, float *);
void tg_rms_norm_grad(int, long, long, const void *, const float *, const void *, float *);
void tg_rotary(int, long, long, long, long, float, const void *, const float *, const float *, void *, float *);
void tg_rotary_grad(int, long, long, long, long, const void *, const float *, const float *, const float *,
                    const float *, void *);
void tg_value_embedding(int, long, long, long, long, long, const void *, const float *, const void *, const float *,
                        void *, float *);
int tg_value_embedding_grad(int, long, long, long, long, long, const float *, const void *, const float *,
                            const float *, const float *, float *, float *, float *);
long tg_embedding(long, long, long, const float *, const int32_t *, float *);
void tg_embedding_grad(long, long, long, const int32_t *, const float *, float *);
void tg_binary(int, int, long, const void *, const void *, float *);
void tg_widen(long, const void *, float *);
void tg_affine(long, float, float, const float *, float *);
void tg_accumulate(long, float, const float *, float *);
int tg_reduce(int, long, long, long, const float *, float *);
void tg_tanh(long, const float *, float *);
void tg_relu_squared(int, long, const void *, void *);
void tg_relu_squared_grad(int, long, const void *, const void *, void *);
void tg_residual_mix(long, long, const float *, const float *, const float *, const float *, float *);
int tg_residual_mix_grad(long, long, long, const float *, const float *, const float *, const float *, const float *,
                         float *, float *, float *, float *);
int tg_attention(int, long, long, long, long, long, long, const void *, const void *, const void *, void *, float *);
int tg_attention_grad(int, long, long, long, long, long, long, const void *, const void *, const void *, const void *,
                      const float *, const void *, float *, float *, float *);
long tg_lm_head(int, long, long, long, float, int, const void *, const float *, const int32_t *, float *, float *,
                float *);
void tg_adamw(long, float, float, float, float, float, float, float *, float *, float *, const float *);
int tg_muon_matrix(long, float *, const float *);
int tg_muon(long, long, long, float, float, float, float, int, float *, float *);

static uint32_t state = 1;
static uint32_t draw(void) {
  state ^= state << 13;
  state ^= state >> 17;
  state ^= state << 5;
  return state;
}
