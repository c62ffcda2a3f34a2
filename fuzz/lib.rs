//! What the fuzz targets share: the input as a file in memory, and the limit on memory.
//!
//! A target calls [`check`]; it fails on a panic, and when reading the file takes more than 8 times its size plus 64 MiB at any
//! moment. Hangs are libFuzzer's matter (`-timeout=5`).

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts bytes in use. One count for all threads: readers may hand work to others.
struct Counting;

static IN_USE: AtomicUsize = AtomicUsize::new(0);
/// Beyond this the program ends at once, with a trace of who asked, instead of taking the machine with it.
static CEILING: AtomicUsize = AtomicUsize::new(usize::MAX);

fn taken(bytes: usize) {
    let now = IN_USE.fetch_add(bytes, Ordering::Relaxed) + bytes;
    if now > CEILING.load(Ordering::Relaxed) {
        CEILING.store(usize::MAX, Ordering::Relaxed);
        // An allocator must not unwind.
        eprintln!("{bytes} more bytes make {now} in use, beyond 8 times the file plus 64 MiB");
        eprintln!("{}", std::backtrace::Backtrace::force_capture());
        std::process::abort();
    }
}

// SAFETY: every call goes to the system's allocator as it came; only sizes are counted.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        taken(layout.size());
        unsafe { System.alloc(layout) }
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        taken(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { System.dealloc(pointer, layout) }
    }
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Old and new may both be there while it moves.
        taken(size);
        let moved = unsafe { System.realloc(pointer, layout, size) };
        IN_USE.fetch_sub(layout.size(), Ordering::Relaxed);
        moved
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

thread_local! {
    static FOLDER: RefCell<Option<tempfile::TempDir>> = const { RefCell::new(None) };
}

/// A folder in memory where there is one, made once per process.
pub fn folder() -> PathBuf {
    FOLDER.with_borrow_mut(|folder| {
        let made = folder.get_or_insert_with(|| {
            let memory = Path::new("/dev/shm");
            let at = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
            tempfile::tempdir_in(at).expect("a temporary folder")
        });
        made.path().to_owned()
    })
}

/// Write `data` to a file called `name` and read it with `read`, which may do anything but panic or take too much memory.
pub fn check<T>(name: &str, data: &[u8], read: impl FnOnce(&Path) -> T) {
    let path = folder().join(name);
    std::fs::write(&path, data).expect("the input is written");
    within_memory(data.len(), || read(&path));
}

/// Decode `data` as the recording called `name`. Resampling takes far longer than decoding a small file and looks at nothing but
/// the rate and the length, so that only one input in 64 has it.
pub fn check_audio(name: &str, data: &[u8]) {
    use gtzan_gpu::audio;
    let sum = data.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
    if sum.is_multiple_of(64) {
        check(name, data, |path| audio::read(path, Some(3.0)).is_ok());
    } else {
        check(name, data, |path| audio::decode(path, Some(3.0)).is_ok());
    }
}

/// Run `read` on an input of `len` bytes within the limit.
pub fn within_memory<T>(len: usize, read: impl FnOnce() -> T) {
    let limit = 8 * len + (64 << 20);
    CEILING.store(IN_USE.load(Ordering::Relaxed) + limit, Ordering::Relaxed);
    drop(read());
    CEILING.store(usize::MAX, Ordering::Relaxed);
}
