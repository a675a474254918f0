/** ForecastCache against its rivals at equal compute. */
import { describe, expect, it } from 'vitest'
import { contests, standing, type Measured } from '../../bench/contest.ts'
import { contestTable } from '../../bench/report/markdown.ts'
import { uncached, type Setting } from '../../bench/setting.ts'

const measured = (config: string, share: number, psnr: readonly number[], truth: number | null = 0.1): Measured => ({
  ...{ config, share, psnr },
  truth: psnr.map(() => truth),
})

describe('standing', () => {
  const group = [measured('a', 0.3, [30, 40]), measured('b', 0.5, [50, 40], 0.2), measured('bad', 0.4, [10, 10])]

  it('lies on the line between the two settings around a share, caption by caption, past those that are beaten', () => {
    const { psnr, truth, share } = standing(group, 0.35)!
    expect(share).toBe(0.35)
    psnr.forEach((value, i) => expect(value).toBeCloseTo([35, 40][i]!, 9))
    expect(truth[0]).toBeCloseTo(0.125, 9)
  })

  it('takes the end of the curve where it is near, says its share, and gives nothing where it is far', () => {
    expect(standing(group, 0.27)).toMatchObject({ share: 0.3, psnr: [30, 40] })
    expect(standing(group, 0.55)).toMatchObject({ share: 0.5 })
    expect(standing(group, 0.2)).toBeNull()
    expect(standing(group, 0.6)).toBeNull()
    expect(standing([], 0.5)).toBeNull()
  })
})

describe('contests', () => {
  const setting = (method: string, params: Setting['params'] = {}): Setting => ({ ...uncached(30), method, params })
  const usual = { forecast: 1, forecast_reach: 0.5, corrector: 'auto', uncond_every: 1 }
  const mask = { ...usual, when: 'mask', mask: 'calibrated' }
  const one = (own: Setting, config: string, share: number, psnr: readonly number[]) => ({
    setting: own,
    measured: measured(config, share, psnr),
  })
  const all = [
    one(setting('ForecastCache', mask), 'mask', 1 / 3, [50, 52, 54]),
    one(setting('ForecastCache', { ...mask, corrector: 'off' }), 'other mask', 1 / 3, [90, 90, 90]),
    one(setting('ForecastCache', { ...usual, when: 'controller' }), 'controller', 0.34, [49, 51, 50]),
    one(setting('DiCache', { warm_up: 0.2 }), 'dicache', 0.36, [40, 41, 42]),
    one(setting('DiCache', { warm_up: 0 }), 'other dicache', 1 / 3, [99, 99, 99]),
    one(setting('FewerSteps ab2'), 'ab2', 1 / 3, [45, 60, 45]),
  ]
  const found = contests(all)
  const between = (challenger: string, rival: string) =>
    found.find((contest) => contest.challenger.includes(challenger) && contest.rival.includes(rival))!

  it('pair mask and controller with DiCache, AB2 and each other, and leave out who is not there', () => {
    expect(found.map(({ share }) => share)).toEqual(found.map(() => 1 / 3))
    expect(found).toHaveLength(5)
    expect(between('mask', 'DiCache')).toMatchObject({ psnr: [52, 41], won: 3, shares: [1 / 3, 0.36], captions: 3 })
    expect(between('mask', 'DiCache').difference).toMatchObject({ mean: 11 })
    expect(between('controller', 'mask').difference.mean).toBeCloseTo(-2, 9)
  })

  it('give an interval around the mean of the differences, and 5th percentiles', () => {
    const { difference, won, fifth } = between('mask', 'AB2')
    expect(difference.mean).toBeCloseTo(2, 9)
    expect([difference.low < 0, difference.high > 5, won]).toEqual([true, true, 2])
    expect(fifth[0]).toBeCloseTo(50.2, 6)
  })

  it('stand in a table', () => {
    const lines = contestTable(found).split('\n')
    expect(lines).toHaveLength(7)
    expect(lines[2]).toContain(
      '| 33 % / 36 % | 52.0 / 41.0 | 50.2 / 40.1 | 0.100 / 0.100 | +11.0 (+10.0 .. +12.0) | 3 of 3 |',
    )
  })
})
