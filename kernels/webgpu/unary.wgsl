// sin, cos and tanh to a few units in the last place: WGSL's own may be off by 2^-11 and 1e-5.
// Polynomials of the Cephes library (S. Moshier), single precision.

struct Params {
  size: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

// sin(x) for quadrant 0, cos(x) for quadrant 1; exact reduction up to |x| of some 10^4.
fn sine(x: f32, quadrant: i32) -> f32 {
  let turns = round(x * 0.636619772);
  let r = ((x - turns * 1.5703125) - turns * 4.837512969970703e-4) - turns * 7.549789954891882e-8;
  let which = (i32(turns) + quadrant) & 3;
  let square = r * r;
  let s = r + r * square * (-1.6666654611e-1 + square * (8.3321608736e-3 - square * 1.9515295891e-4));
  let c = 1.0 - 0.5 * square + square * square * (4.166664568298827e-2 + square * (-1.388731625493765e-3 + square * 2.443315711809948e-5));
  let value = select(s, c, (which & 1) == 1);
  return select(value, -value, which >= 2);
}

fn index_of(group: vec3u, groups: vec3u, lane: u32) -> u32 {
  return (group.y * groups.x + group.x) * WORKGROUP + lane;
}

@compute @workgroup_size(WORKGROUP)
fn sin_of(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = index_of(group, groups, lane);
  if (i < params.size) {
    y[i] = sine(x[i], 0);
  }
}

@compute @workgroup_size(WORKGROUP)
fn cos_of(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = index_of(group, groups, lane);
  if (i < params.size) {
    y[i] = sine(x[i], 1);
  }
}

@compute @workgroup_size(WORKGROUP)
fn tanh_of(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = index_of(group, groups, lane);
  if (i < params.size) {
    y[i] = accurate_tanh(x[i]);
  }
}
