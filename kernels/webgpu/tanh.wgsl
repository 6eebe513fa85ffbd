// tanh to a few units in the last place (Cephes, tanhf). Put in front of the kernels that use it.

fn accurate_tanh(x: f32) -> f32 {
  let square = x * x;
  let small = x + x * square * (-3.33332819422e-1 + square * (1.33314422036e-1 + square * (-5.37397155531e-2 + square * (2.06390887954e-2 - square * 5.70498872745e-3))));
  // exp(2 x) is infinite beyond 44.
  let large = sign(x) * (1.0 - 2.0 / (exp(2.0 * min(abs(x), 40.0)) + 1.0));
  let value = select(large, small, abs(x) < 0.625);
  // NaN, seen by its bits, as compilers may assume that there is none.
  return select(value, x, (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u);
}
