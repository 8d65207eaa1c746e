//! Lists of bounded length. Without a bound, a frame could make its reader allocate many times its own
//! size: an empty list takes one byte on the wire and 24 in memory.

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::fmt;
use std::marker::PhantomData;

/// Reads a list of at most `MAX` elements.
pub(crate) fn list<'de, D, T, const MAX: usize>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    deserializer.deserialize_seq(List::<T, MAX>(PhantomData))
}

/// Reads a list of at most `LISTS` lists, which have at most `MAX` elements each.
pub(crate) fn lists<'de, D, T, const LISTS: usize, const MAX: usize>(
    deserializer: D,
) -> Result<Vec<Vec<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let lists: Vec<Inner<T, MAX>> = list::<D, Inner<T, MAX>, LISTS>(deserializer)?;
    Ok(lists.into_iter().map(|inner| inner.0).collect())
}

/// Reads bytes into a buffer of just their size.
pub(crate) fn bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    deserializer.deserialize_bytes(Bytes)
}

struct List<T, const MAX: usize>(PhantomData<T>);

impl<'de, T: Deserialize<'de>, const MAX: usize> Visitor<'de> for List<T, MAX> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of at most {MAX} elements")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Vec<T>, A::Error> {
        let announced = sequence.size_hint().unwrap_or(0);
        if announced > MAX {
            return Err(A::Error::invalid_length(announced, &self));
        }
        let mut list = Vec::new();
        while let Some(element) = sequence.next_element()? {
            if list.len() == MAX {
                return Err(A::Error::invalid_length(MAX + 1, &self));
            }
            list.push(element);
        }
        Ok(list)
    }
}

struct Inner<T, const MAX: usize>(Vec<T>);

impl<'de, T: Deserialize<'de>, const MAX: usize> Deserialize<'de> for Inner<T, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        list::<D, T, MAX>(deserializer).map(Self)
    }
}

struct Bytes;

impl Visitor<'_> for Bytes {
    type Value = Vec<u8>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
        Ok(bytes.to_vec())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde::Serialize;

    #[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
    struct Message {
        #[serde(deserialize_with = "list::<_, _, 3>")]
        list: Vec<u16>,
        #[serde(deserialize_with = "lists::<_, _, 2, 3>")]
        lists: Vec<Vec<u16>>,
        #[serde(deserialize_with = "bytes")]
        bytes: Vec<u8>,
    }

    fn read(list: usize, lists: &[usize]) -> Result<Message, postcard::Error> {
        let lists = lists.iter().map(|length| vec![7; *length]).collect();
        let sent = Message { list: vec![300; list], lists, bytes: vec![1, 2, 200] };
        let received = postcard::from_bytes(&postcard::to_stdvec(&sent).unwrap());
        assert!(received.as_ref().is_err() || received == Ok(sent));
        received
    }

    #[test]
    fn lists_are_read_up_to_their_most() {
        assert!(read(3, &[3, 0]).is_ok() && read(0, &[]).is_ok());
        assert!(read(4, &[]).is_err());
        assert!(read(0, &[0, 0, 0]).is_err());
        assert!(read(0, &[4]).is_err());
    }
}
