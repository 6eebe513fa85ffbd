import { describe, expect, test } from '@jest/globals';
import {
  compareVersions,
  glibcNeeded,
  isRelease,
  parseWheelName,
  requirementsOfExtra,
  satisfies,
} from '../../../src/setup/wheels/versions.js';

test('the name of a wheel is parsed', () => {
  expect(parseWheelName('tensorflow_cpu-2.21.0-cp312-cp312-manylinux_2_27_x86_64.whl')).toEqual({
    project: 'tensorflow-cpu',
    version: '2.21.0',
    platforms: ['manylinux_2_27_x86_64'],
  });
  expect(parseWheelName('tensorflow-2.21.0.tar.gz')).toBeUndefined();
});

test.each([
  [['manylinux_2_27_x86_64'], 'x86_64', '2.27'],
  [['manylinux2014_x86_64', 'manylinux_2_17_x86_64'], 'x86_64', '2.17'],
  [['manylinux2010_x86_64'], 'x86_64', '2.12'],
  [['manylinux_2_27_aarch64'], 'x86_64', undefined],
  [['win_amd64'], 'x86_64', undefined],
  [['any'], 'aarch64', '0'],
])('%s on %s needs glibc %s', (tags, machine, glibc) => {
  expect(glibcNeeded(tags, machine)).toBe(glibc);
});

test('versions compare as numbers', () => {
  expect(['2.9.1', '2.21.0', '2.10.0', '2.21.0.1'].sort(compareVersions)).toEqual([
    '2.9.1',
    '2.10.0',
    '2.21.0',
    '2.21.0.1',
  ]);
  expect(compareVersions('2.21', '2.21.0')).toBe(0);
});

test.each(['2.21.0', '12.9.3.13', '1.0.post1'])('%s is a release', (version) =>
  expect(isRelease(version)).toBe(true),
);
test.each(['2.21.0rc1', '2.22.0.dev1', '2.1+cu12'])('%s is not', (version) =>
  expect(isRelease(version)).toBe(false),
);

describe('satisfies', () => {
  test.each([
    ['12.9.79', '<13.0,>=12.5.82', true],
    ['12.5.81', '<13.0,>=12.5.82', false],
    ['13.0', '<13.0,>=12.5.82', false],
    ['2.20.0', '==2.20.0', true],
    ['2.20.1', '==2.20.*', true],
    ['2.21.0', '!=2.21.*', false],
    ['2.5.3', '~=2.5.1', true],
    ['2.6.0', '~=2.5.1', false],
    ['9.9', '', true],
  ])('%s, %s: %s', (version, specifier, expected) => {
    expect(satisfies(version, specifier)).toBe(expected);
  });
});

test('only the requirements of the extra are read', () => {
  const metadata = [
    'Requires-Dist: numpy>=1.26.0',
    'Requires-Dist: nvidia-cublas-cu12<13.0,>=12.5.3.2; extra == "and-cuda"',
    "Requires-Dist: nvidia_nccl_cu12 (>=2.27.7,<3.0) ; extra == 'and-cuda'",
    'Requires-Dist: tensorflow-metal; extra == "metal"',
    'Provides-Extra: and-cuda',
  ].join('\n');
  expect(requirementsOfExtra(metadata, 'and-cuda')).toEqual([
    { project: 'nvidia-cublas-cu12', specifier: '<13.0,>=12.5.3.2' },
    { project: 'nvidia-nccl-cu12', specifier: '>=2.27.7,<3.0' },
  ]);
});
