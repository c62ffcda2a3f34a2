//! The messages of an event file that are written here, with their field numbers from TensorFlow's `event.proto` and
//! `summary.proto` (<https://github.com/tensorflow/tensorboard/tree/master/tensorboard/compat/proto>).

use crate::protobuf::messages;

/// [`SessionLog`]: the program began, or began again.
pub const START: i32 = 1;

/// [`Image`]: red, green and blue.
pub const RGB: i32 = 3;

messages! {
    /// One record of a file.
    Event {
        /// Seconds since 1970.
        1: optional double wall_time: f64,
        /// The step that it tells of; without one 0.
        2: optional int64 step: i64,
        /// In a file's first record: the version of the format.
        3: optional string file_version: String,
        /// Values by name.
        5: optional message summary: Summary,
        /// What happened to the program.
        7: optional message session_log: SessionLog,
    }

    /// What happened to the program.
    SessionLog {
        /// [`START`]: readers forget what they have of the event's step and later ones.
        1: optional int32 status: i32,
    }

    /// Values by name.
    Summary {
        /// The values.
        1: repeated message value: SummaryValue,
    }

    /// A name with one of a number, a picture and a histogram.
    SummaryValue {
        /// Its name; what stands before a slash is its group.
        1: optional string tag: String,
        /// A number.
        2: optional float simple_value: f32,
        /// A picture.
        4: optional message image: Image,
        /// A histogram.
        5: optional message histo: HistogramProto,
    }

    /// A picture.
    Image {
        /// Pixels downwards.
        1: optional int32 height: i32,
        /// Pixels across.
        2: optional int32 width: i32,
        /// [`RGB`].
        3: optional int32 colorspace: i32,
        /// A PNG file.
        4: optional bytes encoded_image_string: Vec<u8>,
    }

    /// How values are distributed.
    HistogramProto {
        /// The least value.
        1: optional double min: f64,
        /// The greatest.
        2: optional double max: f64,
        /// How many there are.
        3: optional double num: f64,
        /// Their sum.
        4: optional double sum: f64,
        /// The sum of their squares.
        5: optional double sum_squares: f64,
        /// Right edge of every bucket.
        6: packed double bucket_limit: f64,
        /// Values in every bucket.
        7: packed double bucket: f64,
    }
}
