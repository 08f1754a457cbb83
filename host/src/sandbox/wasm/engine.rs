//! The one wasmtime configuration: for building the guest's image, running, replaying and testing.

use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::object::CEILING;
use crate::sandbox::MAX_DEPTH;

/// The native stack of one isolate.
pub const STACK_BYTES: usize = 16 << 20;
/// How often the epoch advances: the grain of the wall-clock limit.
pub const EPOCH_MS: u64 = 10;
/// Core instances and tables that one component instance has at most: the guest and its adapters.
const PARTS: u32 = 8;

/// Makes the engine. `isolates`: how many may exist at once.
pub fn engine(isolates: u32) -> wasmtime::Result<Engine> {
    Engine::new(&config(isolates)?)
}

pub fn config(isolates: u32) -> wasmtime::Result<Config> {
    let mut pool = PoolingAllocationConfig::new();
    let memory = usize::try_from(CEILING.memory_bytes)?;
    pool.total_component_instances(isolates)
        .total_core_instances(isolates * PARTS)
        .total_memories(isolates)
        .total_tables(isolates * PARTS)
        .total_stacks(1)
        .max_memories_per_component(1)
        .max_core_instances_per_component(PARTS)
        .max_tables_per_component(PARTS)
        .table_elements(100_000)
        .max_core_instance_size(4 << 20)
        .max_component_instance_size(4 << 20)
        .max_memory_size(memory)
        .max_unused_warm_slots(isolates)
        .linear_memory_keep_resident(if sees_written_pages() { 4 << 20 } else { 0 })
        .table_keep_resident(1 << 20)
        .pagemap_scan(Enabled::Auto);
    let mut config = Config::new();
    config
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool))
        .consume_fuel(true)
        .epoch_interruption(true)
        .max_wasm_stack(STACK_BYTES)
        // Used by the snapshot only; runs are on their thread's own stack.
        .async_stack_size(STACK_BYTES + (1 << 20))
        .relaxed_simd_deterministic(true)
        .wasm_component_model(true)
        .wasm_threads(false)
        .wasm_backtrace_max_frames(None)
        .memory_init_cow(true)
        // Where traps happen in native code is never shown, and no debugger looks.
        .generate_address_map(false)
        .native_unwind_info(false);
    // Said to the compiler only; what has none takes the code as it is, if the rest fits.
    #[cfg(feature = "full")]
    config.cranelift_nan_canonicalization(true);
    Ok(config)
}

/// Whether the kernel tells which pages were written to (Linux 6.7), so that those can be copied back and kept.
/// Otherwise an isolate's memory is given up after each run.
pub fn sees_written_pages() -> bool {
    PoolingAllocationConfig::is_pagemap_scan_available()
}

/// The stack a thread needs on which sends nest to their full depth.
#[must_use]
pub fn thread_stack_bytes() -> usize {
    (STACK_BYTES + (1 << 20)) * (MAX_DEPTH as usize + 2)
}
