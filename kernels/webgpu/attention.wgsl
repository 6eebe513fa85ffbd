// Causal attention with a sliding window, without a T x T matrix (Dao et al. 2022; src/ops/attention.ts). A workgroup of 128
// takes TILE queries (or, for dk and dv, TILE keys) of one head and walks the tiles that its window reaches. Of the 32 x 32
// scores of a pair of tiles an invocation holds 2 x 4; sums over the head's width D go in chunks of 32.
// B batch, T sequence, H query heads, G kv heads. Constants put in front: HEAD_DIM, CHUNKS = ceil(D / 32).

struct Params {
  seq: u32,
  heads: u32,
  kv_heads: u32,
  window: u32, // query i sees keys j with i - window <= j <= i
  scale: f32, // 1 / sqrt(D)
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> q: array<f32>; // [B, T, H, D]
@group(0) @binding(2) var<storage, read> k: array<f32>; // [B, T, G, D]
@group(0) @binding(3) var<storage, read> v: array<f32>; // [B, T, G, D]
@group(0) @binding(4) var<storage, read_write> y: array<f32>; // [B, T, H, D]
@group(0) @binding(5) var<storage, read_write> lse: array<f32>; // [B, T, H]: log of each row's sum of exponentials

@group(0) @binding(4) var<storage, read> dy: array<f32>;
@group(0) @binding(5) var<storage, read> lse_in: array<f32>;
@group(0) @binding(6) var<storage, read> delta_in: array<f32>; // [B, T, H]: dy . y of each row
@group(0) @binding(7) var<storage, read_write> dq: array<f32>;
@group(0) @binding(7) var<storage, read_write> dk: array<f32>;
@group(0) @binding(8) var<storage, read_write> dv: array<f32>;

@group(0) @binding(1) var<storage, read> y_in: array<f32>;
@group(0) @binding(2) var<storage, read> dy_in: array<f32>;
@group(0) @binding(3) var<storage, read_write> delta: array<f32>;

const TILE = 32u;
const LOWEST = -3.4e38;

// Where a chunk [row, d] of 32 x 32 is kept: swizzled, so that neither rows nor columns share a bank.
var<workgroup> left: array<f32, 1024>;
var<workgroup> right: array<f32, 1024>;
var<workgroup> scores: array<f32, 1024>; // [query, key]
var<workgroup> more_scores: array<f32, 1024>;
var<workgroup> row_part: array<f32, 128>;
var<workgroup> row_max: array<f32, 32>;
var<workgroup> row_sum: array<f32, 32>;
var<workgroup> row_scale: array<f32, 32>;

fn swizzled(row: u32, d: u32) -> u32 {
  return d * 32u + (row ^ d);
}

// What the head's row at position t begins at, in an array of `width` heads.
fn row_base(batch: u32, t: u32, heads: u32, head: u32) -> u32 {
  return ((batch * params.seq + t) * heads + head) * HEAD_DIM;
}

// The 2 x 4 products of this invocation, of chunks in `left` and `right`.
fn add_products(sums: ptr<function, array<vec4f, 2>>, lane: u32) {
  let i = 2u * (lane / 8u);
  let j = 4u * (lane % 8u);
  for (var d = 0u; d < 32u; d++) {
    let b = vec4f(right[swizzled(j, d)], right[swizzled(j + 1u, d)], right[swizzled(j + 2u, d)], right[swizzled(j + 3u, d)]);
    (*sums)[0] += left[swizzled(i, d)] * b;
    (*sums)[1] += left[swizzled(i + 1u, d)] * b;
  }
}

fn visible(query: u32, key: u32) -> bool {
  return query < params.seq && key <= query && query - key <= params.window;
}

@compute @workgroup_size(128)
fn attention(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let q0 = group.x * TILE;
  let head = group.y;
  let batch = group.z;
  let kv_head = head / (params.heads / params.kv_heads);
  let i = 2u * (lane / 8u);
  let j = 4u * (lane % 8u);
  var output: array<vec4f, 2u * CHUNKS>;
  if (lane < TILE) {
    row_max[lane] = LOWEST;
    row_sum[lane] = 0.0;
  }
  let first = select(0u, (q0 - params.window) / TILE * TILE, q0 > params.window);
  for (var k0 = first; k0 <= q0; k0 += TILE) {
    var s = array<vec4f, 2>(vec4f(0.0), vec4f(0.0));
    for (var chunk = 0u; chunk < CHUNKS; chunk++) {
      workgroupBarrier();
      for (var at = lane; at < 1024u; at += 128u) {
        let row = at / 32u;
        let d = 32u * chunk + at % 32u;
        var a = 0.0;
        var b = 0.0;
        if (d < HEAD_DIM) {
          if (q0 + row < params.seq) {
            a = q[row_base(batch, q0 + row, params.heads, head) + d];
          }
          if (k0 + row < params.seq) {
            b = k[row_base(batch, k0 + row, params.kv_heads, kv_head) + d];
          }
        }
        left[swizzled(row, at % 32u)] = a;
        right[swizzled(row, at % 32u)] = b;
      }
      workgroupBarrier();
      add_products(&s, lane);
    }
    for (var r = 0u; r < 2u; r++) {
      for (var c = 0u; c < 4u; c++) {
        scores[(i + r) * 32u + j + c] = select(LOWEST, s[r][c] * params.scale, visible(q0 + i + r, k0 + j + c));
      }
    }
    workgroupBarrier();
    // Four invocations a row: the largest score, then exponentials and their sum.
    let row = lane / 4u;
    let part = lane % 4u;
    var high = LOWEST;
    for (var c = part; c < 32u; c += 4u) {
      high = max(high, scores[row * 32u + c]);
    }
    row_part[lane] = high;
    workgroupBarrier();
    let before = row_max[row];
    let top = max(max(max(row_part[4u * row], row_part[4u * row + 1u]), max(row_part[4u * row + 2u], row_part[4u * row + 3u])), before);
    workgroupBarrier();
    var sum = 0.0;
    for (var c = part; c < 32u; c += 4u) {
      let at = row * 32u + c;
      let p = select(0.0, exp(scores[at] - top), visible(q0 + row, k0 + c));
      scores[at] = p;
      sum += p;
    }
    row_part[lane] = sum;
    workgroupBarrier();
    if (part == 0u) {
      let shrink = exp(before - top);
      row_scale[row] = shrink;
      row_sum[row] = row_sum[row] * shrink + (row_part[lane] + row_part[lane + 1u] + row_part[lane + 2u] + row_part[lane + 3u]);
      row_max[row] = top;
    }
    workgroupBarrier();
    let shrink0 = row_scale[i];
    let shrink1 = row_scale[i + 1u];
    for (var chunk = 0u; chunk < CHUNKS; chunk++) {
      workgroupBarrier();
      for (var at = lane; at < 1024u; at += 128u) {
        let d = 32u * chunk + at % 32u;
        let t = k0 + at / 32u;
        var value = 0.0;
        if (d < HEAD_DIM && t < params.seq) {
          value = v[row_base(batch, t, params.kv_heads, kv_head) + d];
        }
        right[at] = value;
      }
      workgroupBarrier();
      var a = output[2u * chunk] * shrink0;
      var b = output[2u * chunk + 1u] * shrink1;
      for (var key = 0u; key < 32u; key++) {
        let at = key * 32u + j;
        let value = vec4f(right[at], right[at + 1u], right[at + 2u], right[at + 3u]);
        a += scores[i * 32u + key] * value;
        b += scores[(i + 1u) * 32u + key] * value;
      }
      output[2u * chunk] = a;
      output[2u * chunk + 1u] = b;
    }
  }
  for (var r = 0u; r < 2u; r++) {
    let t = q0 + i + r;
    if (t < params.seq) {
      let total = row_sum[i + r];
      for (var chunk = 0u; chunk < CHUNKS; chunk++) {
        for (var c = 0u; c < 4u; c++) {
          let d = 32u * chunk + j + c;
          if (d < HEAD_DIM) {
            y[row_base(batch, t, params.heads, head) + d] = output[2u * chunk + r][c] / total;
          }
        }
      }
      if (j == 0u) {
        lse[(batch * params.seq + t) * params.heads + head] = row_max[i + r] + log(total);
      }
    }
  }
}

// delta = sum over D of dy * y; one invocation per row and head, of `seq` rows in all.
@compute @workgroup_size(128)
fn attention_delta(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = (group.y * groups.x + group.x) * 128u + lane;
  if (row >= params.seq) {
    return;
  }
  var sum = 0.0;
  for (var d = 0u; d < HEAD_DIM; d++) {
    sum += dy_in[row * HEAD_DIM + d] * y_in[row * HEAD_DIM + d];
  }
  delta[row] = sum;
}

// The probabilities p and the gradient ds = p (dy . v - delta) of the scores of one pair of tiles, 2 x 4 an invocation.
struct ScoreGrads {
  p: array<vec4f, 2>,
  ds: array<vec4f, 2>,
}

fn score_grads(q0: u32, k0: u32, batch: u32, head: u32, kv_head: u32, lane: u32) -> ScoreGrads {
  let i = 2u * (lane / 8u);
  let j = 4u * (lane % 8u);
  var s = array<vec4f, 2>(vec4f(0.0), vec4f(0.0));
  var dp = array<vec4f, 2>(vec4f(0.0), vec4f(0.0));
  for (var chunk = 0u; chunk < 2u * CHUNKS; chunk++) {
    let second = chunk >= CHUNKS; // first q . k, then dy . v
    workgroupBarrier();
    for (var at = lane; at < 1024u; at += 128u) {
      let row = at / 32u;
      let d = 32u * select(chunk, chunk - CHUNKS, second) + at % 32u;
      var a = 0.0;
      var b = 0.0;
      if (d < HEAD_DIM) {
        if (q0 + row < params.seq) {
          let at_row = row_base(batch, q0 + row, params.heads, head) + d;
          if (second) {
            a = dy[at_row];
          } else {
            a = q[at_row];
          }
        }
        if (k0 + row < params.seq) {
          let at_row = row_base(batch, k0 + row, params.kv_heads, kv_head) + d;
          if (second) {
            b = v[at_row];
          } else {
            b = k[at_row];
          }
        }
      }
      left[swizzled(row, at % 32u)] = a;
      right[swizzled(row, at % 32u)] = b;
    }
    workgroupBarrier();
    if (second) {
      add_products(&dp, lane);
    } else {
      add_products(&s, lane);
    }
  }
  var result = ScoreGrads(array<vec4f, 2>(vec4f(0.0), vec4f(0.0)), array<vec4f, 2>(vec4f(0.0), vec4f(0.0)));
  for (var r = 0u; r < 2u; r++) {
    let t = q0 + i + r;
    if (t < params.seq) {
      let at = (batch * params.seq + t) * params.heads + head;
      for (var c = 0u; c < 4u; c++) {
        let p = select(0.0, exp(s[r][c] * params.scale - lse_in[at]), visible(t, k0 + j + c));
        result.p[r][c] = p;
        result.ds[r][c] = p * (dp[r][c] - delta_in[at]) * params.scale;
      }
    }
  }
  return result;
}

@compute @workgroup_size(128)
fn attention_grad_q(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let q0 = group.x * TILE;
  let head = group.y;
  let batch = group.z;
  let kv_head = head / (params.heads / params.kv_heads);
  let i = 2u * (lane / 8u);
  let j = 4u * (lane % 8u);
  var output: array<vec4f, 2u * CHUNKS>;
  let first = select(0u, (q0 - params.window) / TILE * TILE, q0 > params.window);
  for (var k0 = first; k0 <= q0; k0 += TILE) {
    let grads = score_grads(q0, k0, batch, head, kv_head, lane);
    for (var r = 0u; r < 2u; r++) {
      for (var c = 0u; c < 4u; c++) {
        scores[(i + r) * 32u + j + c] = grads.ds[r][c];
      }
    }
    for (var chunk = 0u; chunk < CHUNKS; chunk++) {
      workgroupBarrier();
      for (var at = lane; at < 1024u; at += 128u) {
        let d = 32u * chunk + at % 32u;
        let t = k0 + at / 32u;
        var value = 0.0;
        if (d < HEAD_DIM && t < params.seq) {
          value = k[row_base(batch, t, params.kv_heads, kv_head) + d];
        }
        right[at] = value;
      }
      workgroupBarrier();
      for (var key = 0u; key < 32u; key++) {
        let at = key * 32u + j;
        let value = vec4f(right[at], right[at + 1u], right[at + 2u], right[at + 3u]);
        output[2u * chunk] += scores[i * 32u + key] * value;
        output[2u * chunk + 1u] += scores[(i + 1u) * 32u + key] * value;
      }
    }
  }
  for (var r = 0u; r < 2u; r++) {
    let t = q0 + i + r;
    if (t < params.seq) {
      for (var chunk = 0u; chunk < CHUNKS; chunk++) {
        for (var c = 0u; c < 4u; c++) {
          let d = 32u * chunk + j + c;
          if (d < HEAD_DIM) {
            dq[row_base(batch, t, params.heads, head) + d] = output[2u * chunk + r][c];
          }
        }
      }
    }
  }
}

// dk and dv of one tile of keys: sums over the group's query heads and the tiles of queries that see the keys, in order.
@compute @workgroup_size(128)
fn attention_grad_kv(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let k0 = group.x * TILE;
  let kv_head = group.y;
  let batch = group.z;
  let per_group = params.heads / params.kv_heads;
  let i = 2u * (lane / 8u);
  let j = 4u * (lane % 8u);
  var dk_sums: array<vec4f, 2u * CHUNKS>;
  var dv_sums: array<vec4f, 2u * CHUNKS>;
  // The last key of the tile is seen up to `window` tokens later.
  let last = min(params.seq, k0 + TILE + min(params.window, params.seq));
  for (var member = 0u; member < per_group; member++) {
    let head = kv_head * per_group + member;
    for (var q0 = k0; q0 < last; q0 += TILE) {
      let grads = score_grads(q0, k0, batch, head, kv_head, lane);
      for (var r = 0u; r < 2u; r++) {
        for (var c = 0u; c < 4u; c++) {
          more_scores[(i + r) * 32u + j + c] = grads.p[r][c];
          scores[(i + r) * 32u + j + c] = grads.ds[r][c];
        }
      }
      for (var chunk = 0u; chunk < CHUNKS; chunk++) {
        workgroupBarrier();
        for (var at = lane; at < 1024u; at += 128u) {
          let d = 32u * chunk + at % 32u;
          let t = q0 + at / 32u;
          var a = 0.0;
          var b = 0.0;
          if (d < HEAD_DIM && t < params.seq) {
            let at_row = row_base(batch, t, params.heads, head) + d;
            a = q[at_row];
            b = dy[at_row];
          }
          left[at] = a;
          right[at] = b;
        }
        workgroupBarrier();
        for (var query = 0u; query < 32u; query++) {
          let at = query * 32u + j;
          let row = vec4f(left[at], left[at + 1u], left[at + 2u], left[at + 3u]);
          let dy_row = vec4f(right[at], right[at + 1u], right[at + 2u], right[at + 3u]);
          let at_row = query * 32u + i;
          dk_sums[2u * chunk] += scores[at_row] * row;
          dk_sums[2u * chunk + 1u] += scores[at_row + 1u] * row;
          dv_sums[2u * chunk] += more_scores[at_row] * dy_row;
          dv_sums[2u * chunk + 1u] += more_scores[at_row + 1u] * dy_row;
        }
      }
    }
  }
  for (var r = 0u; r < 2u; r++) {
    let t = k0 + i + r;
    if (t < params.seq) {
      for (var chunk = 0u; chunk < CHUNKS; chunk++) {
        for (var c = 0u; c < 4u; c++) {
          let d = 32u * chunk + j + c;
          if (d < HEAD_DIM) {
            let at = row_base(batch, t, params.kv_heads, kv_head) + d;
            dk[at] = dk_sums[2u * chunk + r][c];
            dv[at] = dv_sums[2u * chunk + r][c];
          }
        }
      }
    }
  }
}
