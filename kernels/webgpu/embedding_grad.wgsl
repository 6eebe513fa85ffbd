// Gradient of an embedding (src/ops/embedding.ts): rows of dy that share an id are added in the order of their tokens, so that
// results repeat to the bit. A stable counting sort by id, then one sum per element of the table.

struct Params {
  tokens: u32, // N
  rows: u32, // V
  width: u32, // W
  blocks: u32, // of BLOCK tokens
}

const BLOCK = 256u;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> ids: array<i32>; // [N]
@group(0) @binding(2) var<storage, read_write> counts: array<atomic<u32>>; // [blocks, V], zero at first

@group(0) @binding(1) var<storage, read_write> offsets: array<u32>; // [blocks, V]: counts, then their running sums
@group(0) @binding(2) var<storage, read_write> totals: array<u32>; // [V]
@group(0) @binding(1) var<storage, read> totals_in: array<u32>;
@group(0) @binding(2) var<storage, read_write> starts: array<u32>; // [V]: first place of each row
@group(0) @binding(2) var<storage, read> offsets_in: array<u32>;
@group(0) @binding(3) var<storage, read> starts_in: array<u32>;
@group(0) @binding(4) var<storage, read_write> order: array<u32>; // [N]: tokens by id, then by position
@group(0) @binding(2) var<storage, read> order_in: array<u32>;
@group(0) @binding(4) var<storage, read> dy: array<f32>; // [N, W]
@group(0) @binding(5) var<storage, read_write> d_table: array<f32>; // [V, W]

@compute @workgroup_size(BLOCK)
fn count(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let n = group.x * BLOCK + lane;
  if (n < params.tokens && u32(ids[n]) < params.rows) {
    atomicAdd(&counts[group.x * params.rows + u32(ids[n])], 1u);
  }
}

// Per row of the table: running sums of its counts over the blocks.
@compute @workgroup_size(BLOCK)
fn scan_blocks(@builtin(global_invocation_id) id: vec3u) {
  let row = id.x;
  if (row >= params.rows) {
    return;
  }
  var sum = 0u;
  for (var block = 0u; block < params.blocks; block++) {
    let at = block * params.rows + row;
    let here = offsets[at];
    offsets[at] = sum;
    sum += here;
  }
  totals[row] = sum;
}

var<workgroup> sums: array<u32, BLOCK>;

// One workgroup: running sums of the totals. Each invocation takes a run of rows.
@compute @workgroup_size(BLOCK)
fn scan_rows(@builtin(local_invocation_index) lane: u32) {
  let run = (params.rows + BLOCK - 1u) / BLOCK;
  let begin = min(params.rows, lane * run);
  let end = min(params.rows, begin + run);
  var sum = 0u;
  for (var row = begin; row < end; row++) {
    sum += totals_in[row];
  }
  sums[lane] = sum;
  workgroupBarrier();
  var start = 0u;
  for (var i = 0u; i < lane; i++) {
    start += sums[i];
  }
  for (var row = begin; row < end; row++) {
    starts[row] = start;
    start += totals_in[row];
  }
}

var<workgroup> block_ids: array<i32, BLOCK>;

@compute @workgroup_size(BLOCK)
fn place(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let n = group.x * BLOCK + lane;
  var id = -1;
  if (n < params.tokens) {
    id = ids[n];
  }
  block_ids[lane] = id;
  workgroupBarrier();
  if (u32(id) < params.rows) {
    var before = 0u;
    for (var i = 0u; i < lane; i++) {
      before += select(0u, 1u, block_ids[i] == id);
    }
    order[starts_in[id] + offsets_in[group.x * params.rows + u32(id)] + before] = n;
  }
}

@compute @workgroup_size(BLOCK)
fn sum_rows(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.y * groups.x + group.x) * BLOCK + lane;
  if (i >= params.rows * params.width) {
    return;
  }
  let row = i / params.width;
  let column = i % params.width;
  let begin = starts_in[row];
  let end = begin + totals_in[row];
  var sum = 0.0;
  for (var at = begin; at < end; at++) {
    sum += dy[order_in[at] * params.width + column];
  }
  d_table[i] = sum;
}
