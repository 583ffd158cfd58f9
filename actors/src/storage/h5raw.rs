//! The two HDF5 calls which the high-level crate lacks: rows of any shape straight from a slice
//! (its own `write_slice` makes a type and a property list per call, and costs 1.6 times the CPU),
//! and whole chunks past the chunk cache.
#![expect(unsafe_code, reason = "calls into the HDF5 library")]
use hdf5::{Dataset, Datatype, Error, Result, types::H5Type};
use hdf5_sys::{
    h5::{herr_t, hsize_t},
    h5d::{H5Dget_space, H5Dwrite, H5Dwrite_chunk},
    h5i::hid_t,
    h5p::H5P_DEFAULT,
    h5s::{H5S_seloper_t, H5Sclose, H5Screate_simple, H5Sselect_hyperslab},
};
use std::ptr;

/// Where rows go: `counts[0]` rows from `first` on.
pub(super) struct Slab<'a> {
    /// Index of the first row.
    pub(super) first: u64,
    /// How many rows, then the shape of one.
    pub(super) counts: &'a [u64],
}

/// A dataspace, closed when dropped.
struct Space(hid_t);

impl Drop for Space {
    fn drop(&mut self) {
        // SAFETY: the identifier came from the library, which takes it back once. The lock is held,
        // since spaces live only inside `hdf5::sync::sync`. A space holds no data, so that nothing
        // is lost if this fails.
        unsafe { H5Sclose(self.0) };
    }
}

/// Writes `values` to `slab` of `dataset`, which is large enough and holds values of `datatype`.
pub(super) fn write_rows<T: H5Type>(
    dataset: &Dataset,
    datatype: &Datatype,
    slab: &Slab<'_>,
    values: &[T],
) -> Result<()> {
    let Slab { first, counts } = slab;
    assert_eq!(
        size_of_val(values) as u64,
        counts.iter().product::<u64>() * datatype.size() as u64,
        "as many values as the slab has, of the type of the dataset"
    );
    let rank = i32::try_from(counts.len()).expect("HDF5 has at most 32 dimensions");
    let mut start = vec![0; counts.len()];
    start[0] = *first;
    hdf5::sync::sync(|| {
        // SAFETY: `counts` has as many dimensions as are announced, and outlives the call.
        let memory = unsafe { H5Screate_simple(rank, counts.as_ptr(), ptr::null()) };
        let memory = space(memory)?;
        // SAFETY: the dataset is open, since we borrow it.
        let file = space(unsafe { H5Dget_space(dataset.id()) })?;
        // SAFETY: `start` and `counts` have one number per dimension of the dataset (the library
        // checks the bounds); null means a stride and a block of one.
        check(unsafe {
            let (start, counts) = (start.as_ptr(), counts.as_ptr());
            let set = H5S_seloper_t::H5S_SELECT_SET;
            H5Sselect_hyperslab(file.0, set, start, ptr::null(), counts, ptr::null())
        })?;
        // SAFETY: `values` has as many bytes as the selection has elements of the size of `datatype`.
        check(unsafe {
            let values = values.as_ptr().cast();
            H5Dwrite(dataset.id(), datatype.id(), memory.0, file.0, H5P_DEFAULT, values)
        })
    })
}

/// Writes `values` as the whole chunk of `dataset` that starts at `offset` (an index per dimension).
/// What the chunk cache holds of that chunk is forgotten, and never written over it.
pub(super) fn write_chunk<T: H5Type>(
    dataset: &Dataset,
    offset: &[hsize_t],
    values: &[T],
) -> Result<()> {
    hdf5::sync::sync(|| {
        // SAFETY: the dataset is open and chunked, `offset` has one number per dimension, and
        // exactly the bytes of `values` are read. No filter is skipped.
        check(unsafe {
            let (bytes, values) = (size_of_val(values), values.as_ptr().cast());
            H5Dwrite_chunk(dataset.id(), H5P_DEFAULT, 0, offset.as_ptr(), bytes, values)
        })
    })
}

fn check(code: herr_t) -> Result<()> {
    if code < 0 { Err(Error::query()?) } else { Ok(()) }
}

fn space(id: hid_t) -> Result<Space> {
    if id < 0 { Err(Error::query()?) } else { Ok(Space(id)) }
}
