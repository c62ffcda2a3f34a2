//! A drum kit whose pieces are tuned anew for each song.

use std::f64::consts::TAU;

use super::RATE;
use super::dice::Dice;

/// A piece of the kit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Drum {
    Kick,
    Snare,
    /// Stick on the rim.
    Rim,
    Clap,
    ClosedHat,
    OpenHat,
    Ride,
    Crash,
    Tom,
    /// A soft snare of wire brushes.
    Brush,
    Shaker,
}

#[derive(Debug, Clone)]
pub(super) struct Kit {
    kick_hz: f64,
    kick_decay: f64,
    snare_hz: f64,
    snare_decay: f64,
    cymbal_cutoff: f64,
    hat_decay: f64,
}

impl Kit {
    pub(super) fn new(dice: &mut Dice) -> Self {
        Self {
            kick_hz: dice.range(42.0..68.0),
            kick_decay: dice.range(0.07..0.22),
            snare_hz: dice.range(150.0..240.0),
            snare_decay: dice.range(0.07..0.18),
            cymbal_cutoff: dice.range(3500.0..7500.0),
            hat_decay: dice.range(0.02..0.05),
        }
    }

    /// The electronic kick of hip-hop and disco: lower and longer.
    pub(super) fn deep(mut self, dice: &mut Dice) -> Self {
        self.kick_decay = dice.range(0.15..0.35);
        self
    }

    pub(super) fn hit(&self, drum: Drum, dice: &mut Dice) -> Vec<f32> {
        match drum {
            Drum::Kick => self.drop(self.kick_hz, 4.0, self.kick_decay, 0.9, dice),
            Drum::Tom => {
                let hz = self.kick_hz * dice.pick(&[1.8, 2.3, 3.0]);
                self.drop(hz, 1.5, 0.15, 0.6, dice)
            }
            Drum::Snare => {
                let mut y = self.burst(900.0, self.snare_decay, 0.5, dice);
                let body = self.drop(self.snare_hz, 1.4, 0.06, 0.5, dice);
                y.iter_mut().zip(&body).for_each(|(y, b)| *y += b);
                y
            }
            Drum::Rim => {
                let mut y = self.burst(1500.0, 0.008, 0.3, dice);
                let body = self.drop(self.snare_hz * 4.5, 1.05, 0.015, 0.5, dice);
                y.iter_mut().zip(&body).for_each(|(y, b)| *y += b);
                y
            }
            Drum::Clap => {
                let mut y = self.burst(1000.0, 0.09, 0.4, dice);
                // Hands never meet at once.
                for delay in [0.011, 0.022] {
                    let hand = self.burst(1000.0, 0.01, 0.5, dice);
                    let offset = (delay * RATE) as usize;
                    y.iter_mut()
                        .skip(offset)
                        .zip(&hand)
                        .for_each(|(y, h)| *y += h);
                }
                y
            }
            Drum::ClosedHat => self.burst(self.cymbal_cutoff, self.hat_decay, 0.35, dice),
            Drum::OpenHat => self.burst(self.cymbal_cutoff, 0.14, 0.35, dice),
            Drum::Ride => self.burst(self.cymbal_cutoff, 0.22, 0.22, dice),
            Drum::Crash => self.burst(0.6 * self.cymbal_cutoff, 0.6, 0.4, dice),
            Drum::Brush => {
                let mut y = self.burst(2000.0, 0.07, 0.3, dice);
                let n = (0.02 * RATE) as usize; // wires arrive one after the other
                y.iter_mut()
                    .take(n)
                    .enumerate()
                    .for_each(|(i, v)| *v *= i as f32 / n as f32);
                y
            }
            Drum::Shaker => self.burst(5000.0, 0.035, 0.25, dice),
        }
    }

    /// A sine whose pitch falls from `ratio * hz` to `hz`: a membrane.
    fn drop(&self, hz: f64, ratio: f64, decay: f64, gain: f64, dice: &mut Dice) -> Vec<f32> {
        let mut phase = 0.0;
        let click = dice.range(0.05..0.3);
        (0..(decay * 5.0 * RATE) as usize)
            .map(|i| {
                let t = i as f64 / RATE;
                phase += hz * (1.0 + (ratio - 1.0) * (-t / 0.025).exp()) / RATE;
                let attack = click * f64::from(dice.noise()) * (-t / 0.003).exp();
                (gain * ((TAU * phase).sin() + attack) * (-t / decay).exp()) as f32
            })
            .collect()
    }

    /// Noise above `cutoff` Hz that dies away: wires, cymbals, hands.
    fn burst(&self, cutoff: f64, decay: f64, gain: f64, dice: &mut Dice) -> Vec<f32> {
        let a = (-TAU * cutoff / RATE).exp() as f32;
        let (mut low1, mut low2) = (0.0, 0.0);
        let gain = gain as f32;
        (0..(decay * 6.0 * RATE) as usize)
            .map(|i| {
                let x = dice.noise();
                low1 = a * low1 + (1.0 - a) * x;
                let high = x - low1;
                low2 = a * low2 + (1.0 - a) * high;
                let t = i as f64 / RATE;
                gain * (high - low2) * (-t / decay).exp() as f32
            })
            .collect()
    }
}
