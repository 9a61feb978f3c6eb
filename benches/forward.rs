//! Forward passes of the embedded model against the plain matrix products that they contain, and steps at two context lengths.
//!
//! `cargo bench --bench forward`. Each figure is the median of several runs; ratios come from the same process.
//! Only an optimised build without overflow checks shows what the kernels do: the dev profile slows them, but not Flex.

#![allow(clippy::print_stdout, missing_docs)]
#![recursion_limit = "256"]

use dcode::bench::forward::Products;
use dcode::bench::forward::forward;
use dcode::bench::forward::steps;
use dcode::model::device;
use dcode::model::device::DeviceChoice;
use dcode::model::error::ModelError;
use dcode::model::load::load;
use dcode::model::locate::locate;

fn main() {
    match measure() {
        Ok(()) => {}
        Err(error) => println!("skipped: {error}"),
    }
}

fn measure() -> Result<(), ModelError> {
    let device = device::open(DeviceChoice::Cpu)?;
    let mut model = load(&locate(None)?, &device, &mut |_| {})?;
    let times = steps(&mut model.denoiser, 32, &[64, 1024], 7)?;
    println!("step of 32 slots: {:.0} ms at a context of 64, {:.2} times that at 1024", times[0] * 1e3, times[1] / times[0]);
    let products = Products::new(model.denoiser.transformer());
    for time in forward(&mut model.denoiser, &products, &[1, 4, 16, 32, 64, 256], 5)? {
        println!(
            "{} positions: products {:.0} ms ({:.0} GFLOP/s), through the kernels {:.0} ms, forward {:.0} ms, ratio {:.2}",
            time.rows,
            time.products * 1e3,
            time.flops / 1e9,
            time.kernels * 1e3,
            time.forward * 1e3,
            time.forward / time.products
        );
    }
    Ok(())
}
