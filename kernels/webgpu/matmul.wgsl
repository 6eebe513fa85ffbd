// C = alpha * op(A) op(B) + beta * E for a batch of matrices, in tiles of 64 x 64 with 16 steps of the inner dimension at a
// time; each of 256 invocations keeps 4 x 4 results in registers. `add_tile_products` is matmul_plain.wgsl's or, where quads of
// invocations can exchange values, matmul_quads.wgsl's; both add in the same order.
// op transposes where TRANSPOSE_A or TRANSPOSE_B is true.
// `matmul` adds no E or, with ADD_TO_C, C itself; `matmul_add` adds a separate matrix.
// With splits > 1 the inner dimension is divided among workgroups, each of which writes a matrix of partial sums;
// `sum_splits` adds them in order.

struct Params {
  m: u32,
  n: u32,
  k: u32,
  splits: u32,
  split_k: u32, // inner dimension per split, a multiple of 16
  a_offset: u32, // elements
  b_offset: u32,
  c_offset: u32,
  a_stride: u32, // elements between matrices of the batch
  b_stride: u32,
  c_stride: u32,
  alpha: f32,
  beta: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read_write> c: array<f32>;
@group(0) @binding(4) var<storage, read> e: array<f32>;
@group(0) @binding(1) var<storage, read> partial_sums: array<f32>; // [splits, m * n]
@group(0) @binding(2) var<storage, read_write> total: array<f32>; // C

const TILE = 64u;
const DEPTH = 16u;

var<workgroup> a_tile: array<vec4f, DEPTH * TILE / 4u>; // [k][m]
var<workgroup> b_tile: array<vec4f, DEPTH * TILE / 4u>; // [k][n]

// Four elements A[m .. m + 3, k], zero beyond the matrix and beyond `end`.
fn load_a(base: u32, m: u32, k: u32, end: u32) -> vec4f {
  var value = vec4f(0.0);
  if (k < end) {
    for (var i = 0u; i < 4u; i++) {
      if (m + i < params.m) {
        value[i] = a[base + select((m + i) * params.k + k, k * params.m + m + i, TRANSPOSE_A)];
      }
    }
  }
  return value;
}

// Four elements B[k, n .. n + 3].
fn load_b(base: u32, k: u32, n: u32, end: u32) -> vec4f {
  var value = vec4f(0.0);
  if (k < end) {
    for (var i = 0u; i < 4u; i++) {
      if (n + i < params.n) {
        value[i] = b[base + select(k * params.n + n + i, (n + i) * params.k + k, TRANSPOSE_B)];
      }
    }
  }
  return value;
}

// The 4 x 4 sums of an invocation, whose tile of C begins at m0, n0.
fn tile_sums(m0: u32, n0: u32, split: u32, matrix: u32, lane: u32) -> array<vec4f, 4> {
  let a_base = params.a_offset + matrix * params.a_stride;
  let b_base = params.b_offset + matrix * params.b_stride;
  let column = lane % 16u;
  let row = lane / 16u;
  // Whichever index lies next to each other in memory goes with `column`.
  let a_m = select(row, column, TRANSPOSE_A);
  let a_k = select(column, row, TRANSPOSE_A);
  let b_n = select(column, row, TRANSPOSE_B);
  let b_k = select(row, column, TRANSPOSE_B);
  let end = min(params.k, (split + 1u) * params.split_k);
  var sums = array<vec4f, 4>(vec4f(0.0), vec4f(0.0), vec4f(0.0), vec4f(0.0));
  for (var k0 = split * params.split_k; k0 < end; k0 += DEPTH) {
    a_tile[a_k * 16u + a_m] = load_a(a_base, m0 + 4u * a_m, k0 + a_k, end);
    b_tile[b_k * 16u + b_n] = load_b(b_base, k0 + b_k, n0 + 4u * b_n, end);
    workgroupBarrier();
    add_tile_products(&sums, row, column, lane);
    workgroupBarrier();
  }
  return sums;
}

@compute @workgroup_size(256)
fn matmul(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let m0 = group.y * TILE;
  let n0 = group.x * TILE;
  let sums = tile_sums(m0, n0, group.z % params.splits, group.z / params.splits, lane);
  let base = params.c_offset + group.z * params.c_stride;
  for (var i = 0u; i < 16u; i++) {
    let m = m0 + 4u * (lane / 16u) + i / 4u;
    let n = n0 + 4u * (lane % 16u) + i % 4u;
    if (m < params.m && n < params.n) {
      let at = base + m * params.n + n;
      var value = params.alpha * sums[i / 4u][i % 4u];
      if (ADD_TO_C) {
        value += params.beta * c[at];
      }
      c[at] = value;
    }
  }
}

@compute @workgroup_size(256)
fn matmul_add(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let m0 = group.y * TILE;
  let n0 = group.x * TILE;
  let sums = tile_sums(m0, n0, 0u, group.z, lane);
  let base = params.c_offset + group.z * params.c_stride;
  for (var i = 0u; i < 16u; i++) {
    let m = m0 + 4u * (lane / 16u) + i / 4u;
    let n = n0 + 4u * (lane % 16u) + i % 4u;
    if (m < params.m && n < params.n) {
      let at = base + m * params.n + n;
      c[at] = params.alpha * sums[i / 4u][i % 4u] + params.beta * e[at];
    }
  }
}

// C = beta * C + the partial sums; size m * n.
@compute @workgroup_size(256)
fn sum_splits(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let size = params.m * params.n;
  let i = (group.y * groups.x + group.x) * 256u + lane;
  if (i >= size) {
    return;
  }
  var sum = 0.0;
  for (var split = 0u; split < params.splits; split++) {
    sum += partial_sums[split * size + i];
  }
  let at = params.c_offset + i;
  if (ADD_TO_C) {
    sum += params.beta * total[at];
  }
  total[at] = sum;
}
