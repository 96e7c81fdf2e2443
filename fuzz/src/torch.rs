//! What `torch.save` writes: archives, old files, and pickles by themselves, which are put into an archive, so that a
//! change of theirs does not end at the archive's checksum.

use crate::pickle::{Pickle, start, storages, zipped};
use crate::weights;
use model::Array;

fn tensors() -> Vec<(String, Array)> {
    let array = |shape: &[usize]| Array::new(shape.to_vec(), vec![0.5; shape.iter().product()]).unwrap();
    vec![
        ("features.0.0.weight".into(), array(&[2, 1, 3, 3])),
        ("features.0.1.weight".into(), array(&[2])),
        ("classifier.1.bias".into(), array(&[2])),
    ]
}

/// State dicts, alone and in checkpoints, with what lies beside them.
pub fn seeds() -> Vec<Vec<u8>> {
    let tensors = tensors();
    let plain = start().entries(&tensors);
    let nested = start().raw(b"}(").text("epoch").int(3).text("state_dict").entries(&tensors);
    let nested = nested.text("state_dict_ema").entries(&tensors[..1]);
    let nested = nested.text("args").name("argparse.Namespace").raw(b")\x81}").text("lr");
    let nested = nested.raw(b"G\x3f\x50\x62\x4d\xd2\xf1\xa9\xfcsb").raw(b"u");
    let timm =
        start().raw(b"}(").text("default_cfg").raw(b"}(").text("input_size").ints(&[3, 96, 96]).raw(b"u");
    let timm = timm.text("model").entries(&tensors).raw(b"u");
    let pickles = [plain, nested, timm];
    let archives = pickles.clone().map(|pickle| zipped(pickle, &storages(&tensors)));
    [pickles.map(|pickle| pickle.raw(b".").0), archives].concat().into_iter().chain([old(&tensors)]).collect()
}

/// As PyTorch wrote before version 1.6: pickles one after the other, and the storages behind them.
fn old(tensors: &[(String, Array)]) -> Vec<u8> {
    let magic = start().raw(b"\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02}.\x80\x02");
    let storages = storages(tensors);
    let head = magic.entries(tensors).raw(b".\x80\x02](");
    let keys = storages.iter().fold(head, |pickle, (key, _)| pickle.text(key)).raw(b"e.");
    let each = |file: Pickle, (key, data): &(String, Vec<u8>)| {
        let width = if key == "n" { 8 } else { 4 };
        file.raw(&((data.len() / width) as u64).to_le_bytes()).raw(data)
    };
    storages.iter().fold(keys, each).0
}

/// Reads it.
pub fn run(bytes: &[u8]) -> Result<(), String> {
    let is_pickle = bytes.first() == Some(&0x80) && bytes.get(2) != Some(&0x8a);
    if !is_pickle {
        return weights::import(bytes);
    }
    // The end of it is added by `zipped`; a second one is never reached.
    let pickle = bytes.strip_suffix(b".").unwrap_or(bytes);
    weights::import(&zipped(Pickle(pickle.to_vec()), &storages(&tensors())))
}
