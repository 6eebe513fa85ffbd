// Shared by the two attention sources.
#pragma once

// The tile of rows, head and sequence of a block. All blocks lie along x, tiles fastest: a grid has room for only 65,535 along
// y and z. The first block's head is head0, counted over all sequences.
struct Place {
  int tile, tiles, head;
  long batch;
};
static __device__ __forceinline__ Place place_of_block(int T, int own, int heads, int head0) {
  unsigned tiles = ((unsigned)T + own - 1) / own, rest = head0 + blockIdx.x / tiles;
  return {(int)(blockIdx.x % tiles), (int)tiles, (int)(rest % heads), (long)(rest / heads)};
}
