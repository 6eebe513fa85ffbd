// AdamW and Muon in place (src/optim/adamw.ts, src/optim/muon.ts). K matrices of shape [R, S] are stepped together; Polar
// Express's products are matmul.wgsl's. As many tensors as a device can bind take part in one dispatch: lines between
// `repeat TENSORS` and `end` are repeated, with their number in place of the number sign.

struct AdamW {
  size: u32,
  decay: f32, // 1 - lr * weight decay
  rate: f32, // lr / (1 - beta1^t)
  beta1: f32,
  beta2: f32,
  correction: f32, // 1 / (1 - beta2^t)
  eps: f32,
  unused: u32,
}

@group(0) @binding(0) var<uniform> adam: array<AdamW, TENSORS>;
// repeat TENSORS
@group(0) @binding(1 + 4 * #) var<storage, read> adam_grad#: array<f32>;
@group(0) @binding(2 + 4 * #) var<storage, read_write> adam_param#: array<f32>;
@group(0) @binding(3 + 4 * #) var<storage, read_write> exp_avg#: array<f32>;
@group(0) @binding(4 + 4 * #) var<storage, read_write> exp_avg_sq#: array<f32>;
// end

// The workgroups of one tensor follow those of another.
@compute @workgroup_size(WORKGROUP)
fn adamw(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  var part = group.y * groups.x + group.x;
// repeat TENSORS
  {
    let own = adam[#];
    let parts = (own.size + WORKGROUP - 1u) / WORKGROUP;
    if (part < parts) {
      let i = part * WORKGROUP + lane;
      if (i < own.size) {
        let g = adam_grad#[i];
        let m = exp_avg#[i] + (1.0 - own.beta1) * (g - exp_avg#[i]);
        let v = exp_avg_sq#[i] + (1.0 - own.beta2) * (g * g - exp_avg_sq#[i]);
        adam_param#[i] = adam_param#[i] * own.decay - own.rate * m / (sqrt(v * own.correction) + own.eps);
        exp_avg#[i] = m;
        exp_avg_sq#[i] = v;
      }
      return;
    }
    part -= parts;
  }
// end
}

struct Muon {
  count: u32, // K
  rows: u32, // R
  columns: u32, // S
  matrix: u32, // the first of the K in this dispatch; the others follow in z
  parts: u32, // workgroups per matrix of the norm
  lr: f32,
  momentum: f32,
  beta2: f32,
  weight_decay: f32,
}

@group(0) @binding(0) var<uniform> muon: Muon;
@group(0) @binding(1) var<storage, read_write> velocity: array<f32>; // [K, R, S]: momentum
@group(0) @binding(2) var<storage, read_write> update: array<f32>; // [K, R, S]
@group(0) @binding(1) var<storage, read> update_in: array<f32>;
@group(0) @binding(2) var<storage, read_write> partial_sums: array<f32>; // [K, parts]
@group(0) @binding(1) var<storage, read> partial_in: array<f32>;
@group(0) @binding(2) var<storage, read_write> scaled: array<f32>; // [K, R, S]
@group(0) @binding(2) var<storage, read_write> moments: array<f32>; // [K, max(R, S)]: mean squares, then factors
@group(0) @binding(1) var<storage, read_write> second: array<f32>; // [K, max(R, S)]: running mean squares
@group(0) @binding(2) var<storage, read> factors: array<f32>;
// repeat TENSORS
@group(0) @binding(3 + #) var<storage, read> grad#: array<f32>; // [R, S]
@group(0) @binding(3 + #) var<storage, read_write> param#: array<f32>; // [R, S]
// end

// m <- m + (1 - mu)(g - m); update = g + mu (m - g), Nesterov's.
@compute @workgroup_size(WORKGROUP)
fn muon_momentum(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let size = muon.rows * muon.columns;
  let i = (group.y * groups.x + group.x) * WORKGROUP + lane;
  if (i >= size) {
    return;
  }
  var g = 0.0;
// repeat TENSORS
  if (group.z == #u) {
    g = grad#[i];
  }
// end
  let at = (muon.matrix + group.z) * size + i;
  let m = velocity[at] + (1.0 - muon.momentum) * (g - velocity[at]);
  velocity[at] = m;
  update[at] = g + muon.momentum * (m - g);
}

// partial_sums[k, part] = the part's share of the matrix's sum of squares
@compute @workgroup_size(WORKGROUP)
fn muon_squares(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let size = muon.rows * muon.columns;
  let base = group.y * size;
  var sum = 0.0;
  for (var i = group.x * WORKGROUP + lane; i < size; i += muon.parts * WORKGROUP) {
    let value = update_in[base + i];
    sum += value * value;
  }
  let total = workgroup_sum(sum, lane);
  if (lane == 0u) {
    partial_sums[group.y * muon.parts + group.x] = total;
  }
}

// update <- update / (1.02 ||update||_F + 1e-6); parts <= WORKGROUP
@compute @workgroup_size(WORKGROUP)
fn muon_scale(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let size = muon.rows * muon.columns;
  var own = 0.0;
  if (lane < muon.parts) {
    own = partial_in[group.y * muon.parts + lane];
  }
  let scale = 1.0 / (1.02 * sqrt(workgroup_sum(own, lane)) + 1e-6);
  for (var i = group.x * WORKGROUP + lane; i < size; i += muon.parts * WORKGROUP) {
    scaled[group.y * size + i] *= scale;
  }
}

// moments[k, r] = mean over the columns of update^2, for matrices with R >= S
@compute @workgroup_size(WORKGROUP)
fn muon_row_moments(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let base = (group.y * muon.rows + group.x) * muon.columns;
  var sum = 0.0;
  for (var i = lane; i < muon.columns; i += WORKGROUP) {
    let value = update_in[base + i];
    sum += value * value;
  }
  let total = workgroup_sum(sum, lane);
  if (lane == 0u) {
    moments[group.y * muon.rows + group.x] = total / f32(muon.columns);
  }
}

// moments[k, s] = mean over the rows of update^2, for matrices with R < S
@compute @workgroup_size(WORKGROUP)
fn muon_column_moments(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let column = group.x * WORKGROUP + lane;
  if (column >= muon.columns) {
    return;
  }
  let base = group.y * muon.rows * muon.columns + column;
  var sum = 0.0;
  for (var row = 0u; row < muon.rows; row++) {
    let value = update_in[base + row * muon.columns];
    sum += value * value;
  }
  moments[group.y * muon.columns + column] = sum / f32(muon.rows);
}

// One workgroup per matrix: the running mean squares, and what each row or column is multiplied by so that the matrix keeps
// its Frobenius norm (NorMuon, algorithm 1).
@compute @workgroup_size(WORKGROUP)
fn muon_factors(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let length = max(muon.rows, muon.columns);
  let size = f32(min(muon.rows, muon.columns));
  let base = group.x * length;
  var before = 0.0;
  var after = 0.0;
  for (var i = lane; i < length; i += WORKGROUP) {
    let mean = moments[base + i];
    let running = second[base + i] + (1.0 - muon.beta2) * (mean - second[base + i]);
    second[base + i] = running;
    before += mean * size;
    after += mean * size / max(running, 1e-10);
  }
  let norm = sqrt(workgroup_sum(before, lane));
  let ratio = norm / max(sqrt(workgroup_sum(after, lane)), 1e-10);
  for (var i = lane; i < length; i += WORKGROUP) {
    moments[base + i] = ratio * inverseSqrt(max(second[base + i], 1e-10));
  }
}

// W <- W - lr (u + wd W where u and W agree in sign)
fn muon_applied(w: f32, u: f32) -> f32 {
  let decay = select(0.0, muon.weight_decay * w, u * w >= 0.0);
  return w - muon.lr * (u + decay);
}

@compute @workgroup_size(WORKGROUP)
fn muon_apply(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let size = muon.rows * muon.columns;
  let i = (group.y * groups.x + group.x) * WORKGROUP + lane;
  if (i >= size) {
    return;
  }
  let along = select(i % muon.columns, i / muon.columns, muon.rows >= muon.columns);
  let matrix = muon.matrix + group.z;
  let u = update_in[matrix * size + i] * factors[matrix * max(muon.rows, muon.columns) + along];
// repeat TENSORS
  if (group.z == #u) {
    param#[i] = muon_applied(param#[i], u);
  }
// end
}
