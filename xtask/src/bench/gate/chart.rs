//! `docs/decision.svg`: a bar for each way of one decision.

use super::figures::{Figures, Form};
use anyhow::Result;
use std::fmt::Write as _;

/// Pixels: of the words before a bar, of the longest bar, of the whole, and from one way to the next.
const WORDS: f64 = 330.0;
const LONGEST: f64 = 430.0;
const WIDTH: f64 = 860.0;
const STEP: f64 = 34.0;

/// The chart, p50 by one caller.
pub fn chart(figures: &Figures, ways: &[(&str, &str)]) -> Result<String> {
    let mut most = 0.0_f64;
    for (way, _) in ways {
        for form in [Form::Process, Form::Fork] {
            most = most.max(figures.of(form, 1, way)?.p50);
        }
    }
    let mut bars = String::new();
    let mut top = 44.0;
    for (way, what) in ways {
        let ours = if ["ours", "few", "many"].contains(way) { " class=\"ours\"" } else { "" };
        writeln!(
            bars,
            "  <text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"end\">{what}</text>",
            WORDS - 10.0,
            top + 18.0
        )?;
        for (form, class, at) in [(Form::Process, "process", 2.0), (Form::Fork, "fork", 15.0)] {
            let p50 = figures.of(form, 1, way)?.p50;
            let (length, y) = (p50 / most * LONGEST, top + at);
            writeln!(
                bars,
                "  <g{ours}><rect class=\"{class}\" x=\"{WORDS:.0}\" y=\"{y:.0}\" width=\"{length:.1}\" height=\"12\"/>\
                 <text class=\"small\" x=\"{:.0}\" y=\"{:.0}\">{p50:.0}</text></g>",
                WORDS + length + 6.0,
                y + 10.0
            )?;
        }
        top += STEP;
    }
    Ok(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH:.0} {:.0}\" font-family=\"system-ui, sans-serif\" font-size=\"13\">\n\
         \x20 <title>One decision, microseconds, p50 by one caller</title>\n\
         \x20 <style>text {{ fill: #57606a }} .small {{ font-size: 11px }} .process {{ fill: #8c959f }} .fork {{ fill: #d0d7de }} \
         .ours .process {{ fill: #0969da }} .ours .fork {{ fill: #80ccff }}</style>\n\
         \x20 <rect class=\"process\" x=\"{WORDS:.0}\" y=\"12\" width=\"12\" height=\"12\"/><text x=\"{:.0}\" y=\"22\">in one process</text>\n\
         \x20 <rect class=\"fork\" x=\"{:.0}\" y=\"12\" width=\"12\" height=\"12\"/><text x=\"{:.0}\" y=\"22\">per fork; microseconds, p50 by one caller</text>\n\
         {bars}</svg>\n",
        top + 10.0,
        WORDS + 18.0,
        WORDS + 130.0,
        WORDS + 148.0
    ))
}
