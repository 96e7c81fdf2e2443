//! Splitting: no group is divided, classes keep their shares, the seed decides.

use data::split_groups;
use engine::Rng;

#[test]
fn single_images_are_stratified() {
    let labels: Vec<usize> = (0..1000).map(|i| usize::from(i % 10 < 3)).collect();
    let keys: Vec<usize> = (0..1000).collect();
    let parts = split_groups(&labels, &keys, 2, &[0.8, 0.1, 0.1], 5).unwrap();
    let count = |part, label| (0..1000).filter(|&i| parts[i] == part && labels[i] == label).count();
    for (part, want) in [(0, [560, 240]), (1, [70, 30]), (2, [70, 30])] {
        assert_eq!([count(part, 0), count(part, 1)], want);
    }
}

#[test]
fn groups_stay_whole_and_classes_keep_their_shares() {
    let mut rng = Rng::new(11);
    let (mut labels, mut keys) = (Vec::new(), Vec::new());
    for group in 0..300u64 {
        for _ in 0..=rng.below(12) {
            labels.push((group % 3 + rng.below(4) / 3) as usize % 3);
            keys.push(group);
        }
    }
    let parts = split_groups(&labels, &keys, 3, &[0.8, 0.1, 0.1], 0).unwrap();
    for i in 0..keys.len() {
        assert_eq!(parts[i], parts[keys.iter().position(|key| *key == keys[i]).unwrap()]);
    }
    for label in 0..3 {
        let of_class: Vec<usize> = (0..keys.len()).filter(|&i| labels[i] == label).collect();
        for (part, want) in [0.8, 0.1, 0.1].into_iter().enumerate() {
            let share = of_class.iter().filter(|&&i| parts[i] == part).count() as f64 / of_class.len() as f64;
            assert!((share - want).abs() < 0.01, "class {label}, part {part}: {share}");
        }
    }
}

#[test]
fn the_seed_decides_and_the_order_of_samples_does_not() {
    let labels: Vec<usize> = (0..200).map(|i| i % 2).collect();
    let keys: Vec<usize> = (0..200).map(|i| i / 4).collect();
    let split = |seed| split_groups(&labels, &keys, 2, &[0.7, 0.3], seed).unwrap();
    assert_eq!(split(1), split(1));
    assert_ne!(split(1), split(2));

    let mut order: Vec<usize> = (0..200).collect();
    Rng::new(3).shuffle(&mut order);
    let (mixed_labels, mixed_keys): (Vec<_>, Vec<_>) = order.iter().map(|&i| (labels[i], keys[i])).unzip();
    let mixed = split_groups(&mixed_labels, &mixed_keys, 2, &[0.7, 0.3], 1).unwrap();
    order.iter().zip(mixed).for_each(|(&i, part)| assert_eq!(part, split(1)[i]));
}

#[test]
fn every_part_gets_every_class_where_groups_allow() {
    // Four large groups of both classes: by size alone, all four would be training.
    let labels: Vec<usize> = (0..40).map(|i| i % 2).collect();
    let keys: Vec<usize> = (0..40).map(|i| i / 10).collect();
    let parts = split_groups(&labels, &keys, 2, &[0.8, 0.1, 0.1], 0).unwrap();
    for (part, want) in [(0, 20), (1, 10), (2, 10)] {
        assert_eq!(parts.iter().filter(|&&p| p == part).count(), want);
    }
    let error = split_groups(&labels[..20], &keys[..20], 2, &[0.8, 0.1, 0.1], 0).unwrap_err();
    assert!(error.to_string().contains("found 2"), "{error}");
}
