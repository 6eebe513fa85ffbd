// CMA-ES for mixed spaces, noise and small budgets: a Gaussian that adapts mean, scale and correlations. Beyond the
// textbook it starts at the defaults (or at the center of the ranges, if one trial there is better), has a margin for
// integers, learns categorical choices, ranks failures last and pruned trials by their last reported value, screens every
// second draw with a model, and restarts when converged.
//
//   cmaes/constants.ts    strategy parameters       cmaes/search.ts     generations, ranks, restarts
//   cmaes/gaussian.ts     the update                cmaes/stops.ts      when a run is over
//   cmaes/margin.ts       integers                  cmaes/replay.ts     the state from the trials
//   cmaes/categorical.ts  choices                   cmaes/propose.ts    drawing inside the space
//   cmaes/warmStart.ts    start from known points   cmaes/directions.ts, screen.ts   better draws
//
// Several workers: a generation is complete when lambda trials have finished, whichever worker ran them. A worker that
// asks earlier gets another draw of the current generation; a trial that finishes late counts for the generation then
// current, with a bounded step. Trials are ordered by end time, so all workers agree.

import { UsageError } from '../../base/errors.js';
import { checkInteger } from '../../base/valid.js';
import { activeParams } from '../conditions.js';
import type { Params, Sampler, StudyView, Trial } from '../types.js';
import { admissionOf, admitted, centreOf } from './admission.js';
import { type Axis, axesOf, decode, encode, encodeAll } from './axes.js';
import { defaultPopulation } from './cmaes/constants.js';
import { proposer } from './cmaes/propose.js';
import { evaluatedPoint, GENERATION, INACTIVE, PROBE, replayer } from './cmaes/replay.js';
import { feasibleLoss, type Point } from './cmaes/screen.js';
import { isWithinReach, type Settings } from './cmaes/search.js';
import { regionOf } from './cmaes/warmStart.js';
import { oncePerStudy, sourcesOf } from './sources.js';

export interface CmaesOptions {
  /** Population of the first run. Default 4 + floor(3 ln n) for n parameters. */
  populationSize?: number;
  /** Standard deviation at the start, relative to each range. Default 1/6. */
  sigma?: number;
  /** Draws from which every second proposal is chosen by a model; 1 is plain CMA-ES. Default 60. */
  screen?: number;
  /** Whether a first trial at the center of the ranges may replace the defaults as the start. Default true. */
  probeCentre?: boolean;
  /** BIPOP restarts once a run has converged. Default true. */
  restarts?: boolean;
  /**
   * Trials of another study with the same direction, beside those of the study's own `warmStart`: the search starts at
   * the mean and covariance of their best tenth if a trial at that mean beats the defaults and the center. Parameters
   * that they lack take the defaults.
   */
  warmStart?: readonly Trial[];
}

/**
 * The CMA-ES sampler. One instance may serve several studies; it only caches what follows from the trials. It also
 * learns from enqueued trials and those of other samplers, and with 20 or more of them starts at their promising
 * region.
 * @throws UsageError for options outside their range
 */
export function cmaesSampler(options: CmaesOptions = {}): Sampler {
  check(options);
  const { screen = 60, probeCentre = true } = options;
  const settingsOf = oncePerStudy((study) => settingsFor(study, options));
  const replay = replayer();
  return {
    name: 'cmaes',
    ask(study, number) {
      if (number === 0) return { params: activeParams(study.space, study.defaults) };
      const settings = settingsOf(study);
      const axes = [...settings.numeric, ...settings.categorical];
      const paramsOf = ({ u, choices }: Point): Params => decode(study.space, axes, [...u, ...choices]);
      const { search, evaluated } = replay(study, settings);
      const admits = admissionOf(study);

      const isProbed = (probe: unknown) => study.trials.some((trial) => trial.systemAttrs[PROBE] === probe);
      if (mayProbe(study)) {
        const wanted = probeCentre && evaluated.length < 20 && !isProbed(true);
        const centre = wanted ? centreOf(study, axes, admits) : null;
        if (centre) return { params: centre, systemAttrs: { [PROBE]: true } };
        for (const [k, region] of settings.regions.entries()) {
          const params = paramsOf(region.center);
          if (!isProbed(k) && (admits?.(params) ?? true)) return { params, systemAttrs: { [PROBE]: k } };
        }
      }
      const generation = [search.run, search.gaussian.generation] as const;
      const slot = study.trials.filter((trial) => isOf(trial, generation)).length;
      const draw = proposer(
        settings,
        search,
        evaluated,
        slot,
        number,
        screen,
        (p) => admits?.(paramsOf(p)) ?? true,
      );
      let point = draw();
      const proposal = admitted(study, admits, number, (attempt) =>
        paramsOf(attempt === 0 ? point : (point = draw())),
      );
      // What the distribution drew for parameters that the configuration does not have is part of its sample.
      const drawn = [...point.u, ...point.choices];
      const absent = axes.flatMap(({ name }, j) =>
        Object.hasOwn(proposal.params, name) ? [] : [[name, drawn[j]!]],
      );
      const inactive = absent.length > 0 && { [INACTIVE]: Object.fromEntries(absent) };
      return { ...proposal, systemAttrs: { [GENERATION]: generation, ...inactive } };
    },
    reaches(study, params) {
      const settings = settingsOf(study);
      const x = encode([...settings.numeric, ...settings.categorical], params);
      if (x === null) return false;
      const { search } = replay(study, settings);
      const { mean } = search.gaussian;
      return isWithinReach(
        search,
        mean.map((m, i) => (Number.isNaN(x[i]!) ? m : x[i]!)),
      );
    },
  };
}

/** Whether the trial was drawn from this generation of this run. */
function isOf(trial: Trial, [run, generation]: readonly [number, number]): boolean {
  const of = trial.systemAttrs[GENERATION] as readonly number[] | undefined;
  return of !== undefined && of[0] === run && of[1] === generation;
}

/** Whether where to start is still open: nothing was drawn yet. */
function mayProbe({ trials }: StudyView): boolean {
  return !trials.some(({ systemAttrs }) => GENERATION in systemAttrs);
}

function check({ populationSize, sigma, screen }: CmaesOptions): void {
  if (populationSize !== undefined) checkInteger('populationSize', populationSize, 4);
  if (sigma !== undefined && !(sigma > 0 && sigma <= 1))
    throw new UsageError(`Expected sigma in (0, 1], got ${sigma}`);
  if (screen !== undefined) checkInteger('screen', screen, 1);
}

function settingsFor(study: StudyView, options: CmaesOptions): Settings {
  const axes = axesOf(study.space);
  const numeric = axes.filter((axis) => axis.kind !== 'categorical');
  const categorical = axes.filter((axis) => axis.kind === 'categorical');
  const base = { numeric, categorical, defaults: defaultPoint(study, axes, numeric.length) };
  const sigma0 = options.sigma ?? 1 / 6;
  return {
    ...base,
    seed: study.seed,
    lambda: options.populationSize ?? defaultPopulation(axes.length),
    sigma0,
    restarts: options.restarts ?? true,
    regions: sourcesOf(study, options.warmStart).flatMap((trials) => {
      const points = trials
        .flatMap((trial) => evaluatedPoint(study, base, trial, trials) ?? [])
        .filter((t): t is typeof t & { loss: number } => feasibleLoss(t) !== null);
      return points.length > 0 ? [regionOf(categorical, points, sigma0)] : [];
    }),
  };
}

function defaultPoint(study: StudyView, axes: readonly Axis[], n: number): Point {
  const x =
    encodeAll(axes, study.defaults) ??
    Float64Array.from(axes, (axis) => (axis.kind === 'categorical' ? 0 : 0.5));
  return { u: x.slice(0, n).map((v) => Math.min(1, Math.max(0, v))), choices: [...x.slice(n)] };
}
